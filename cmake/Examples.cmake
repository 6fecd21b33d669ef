# Embedding programs: examples/embed/NAME.c becomes examples/NAME in the build folder. They are
# linked as an embedder would, with the shared library. Their guests are compiled by the test.

if(TARGET lucet-shared)
    file(GLOB examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/embed/*.c)
    foreach(source IN LISTS examples)
        get_filename_component(name ${source} NAME_WE)
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples
            INSTALL_RPATH ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}) # never installed
        target_link_libraries(example_${name} PRIVATE lucet_flags lucet-shared)
    endforeach()
endif()
