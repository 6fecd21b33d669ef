# Programs, headers, libraries, pkg-config files and man pages.

get_property(programs GLOBAL PROPERTY LUCET_PROGRAMS)
list(REMOVE_ITEM programs program_lucet-spectest)
if(programs)
    install(TARGETS ${programs} RUNTIME)
endif()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lucet TYPE INCLUDE FILES_MATCHING PATTERN "*.h")

# pkg-config files are filled in on installation: `cmake --install` may name another prefix.
set(pc_variables "")
set(LUCETC_REQUIRES jansson)
if(TARGET lucet_sign)
    string(APPEND LUCETC_REQUIRES " libsodium")
endif()
foreach(variable PROJECT_VERSION CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR LUCET_LLVM
        LUCET_LLVM_LIBDIR LUCETC_REQUIRES)
    string(APPEND pc_variables "set(${variable} \"${${variable}}\")\n")
endforeach()
foreach(dir LIBDIR INCLUDEDIR)
    string(APPEND pc_variables "cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_${dir} "
           "BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\" OUTPUT_VARIABLE ${dir})\n")
endforeach()

get_property(libraries GLOBAL PROPERTY LUCET_LIBRARIES)
set(installed ${programs})
foreach(name IN LISTS libraries)
    list(APPEND installed ${name}-static ${name}-shared)
    install(TARGETS ${name}-static ${name}-shared ARCHIVE LIBRARY)
    install(CODE "${pc_variables}configure_file(\"${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in\"
        \"${PROJECT_BINARY_DIR}/${name}.pc\" @ONLY)")
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# What `cmake --install` needs: not the tests.
add_custom_target(installed DEPENDS ${installed})

foreach(section 1 7)
    file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
    if(man_pages)
        install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()

# Bash and fish look for a file of the program's name.
foreach(program lucetc lucet-wasi lucet-objdump lucet-perf)
    if(program_${program} IN_LIST programs OR program STREQUAL lucet-perf)
        install(FILES ${PROJECT_SOURCE_DIR}/completions/lucet.bash RENAME ${program}
                DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
        install(FILES ${PROJECT_SOURCE_DIR}/completions/lucet.fish RENAME ${program}.fish
                DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
    endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/completions/_lucet
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

install(FILES ${PROJECT_SOURCE_DIR}/share/lucet-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/lucet)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/share/lucet-perf DESTINATION ${CMAKE_INSTALL_BINDIR})
