# Programs, headers, libraries, pkg-config files and man pages.

get_property(programs GLOBAL PROPERTY LUCET_PROGRAMS)
list(REMOVE_ITEM programs program_lucet-spectest)
if(programs)
    install(TARGETS ${programs} RUNTIME)
endif()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lucet TYPE INCLUDE FILES_MATCHING PATTERN "*.h")

get_property(libraries GLOBAL PROPERTY LUCET_LIBRARIES)
foreach(name IN LISTS libraries)
    install(TARGETS ${name}-static ${name}-shared ARCHIVE LIBRARY)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
if(man_pages)
    install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
