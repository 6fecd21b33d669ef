# Fuzz targets: every fuzz/NAME.c becomes bin/fuzz_NAME, with libFuzzer and the sanitizers.

if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "LUCET_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang-22")
endif()
# Coverage feedback must come from the code under test, not from the target's main alone.
foreach(part wasm module runtime wasi verify sign lucetc)
    if(TARGET lucet_${part}_objects)
        target_compile_options(lucet_${part}_objects PRIVATE
            $<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
    endif()
endforeach()
lucet_everything(fuzz_libs)
file(GLOB fuzz_targets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*.c)
foreach(source IN LISTS fuzz_targets)
    get_filename_component(name ${source} NAME_WE)
    add_executable(fuzz_${name} ${source})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE lucet_flags ${fuzz_libs})
endforeach()
