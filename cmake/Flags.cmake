# Language, warnings and hardening: the same for every target of the project.

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Assertions stay in: in code that others' security rests on, a wrong step must not go on.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Otherwise CMake ends the run path of what it builds with a colon, which glibc takes to mean the
# current directory: a program started in a hostile directory would load its libraries from there.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)

if(CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_C_COMPILER_VERSION VERSION_LESS 12)
    message(FATAL_ERROR "gcc 12 or later is needed, this is ${CMAKE_C_COMPILER_VERSION}")
endif()

add_library(lucet_flags INTERFACE)
target_include_directories(lucet_flags INTERFACE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
# Defined empty, so that a file which spells it out with #define compiles without a warning.
target_compile_definitions(lucet_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE=>)
target_compile_options(lucet_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wvla;-Wpointer-arith;-Wundef;-Wwrite-strings>
    # A comparison with a limit that the type cannot reach is how portable checks are written.
    $<$<COMPILE_LANGUAGE:C>:-Wno-type-limits>
    -fno-omit-frame-pointer)
if(LUCET_WERROR)
    target_compile_options(lucet_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()

if(LUCET_SANITIZE)
    target_compile_options(lucet_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fsanitize=address,undefined;-fno-sanitize-recover=undefined>)
    if(CMAKE_C_COMPILER_ID MATCHES Clang)
        # Its check of function pointers reads in front of the callee: not there in guest code.
        target_compile_options(lucet_flags INTERFACE
            $<$<COMPILE_LANGUAGE:C>:-fno-sanitize=function>)
    endif()
    target_link_options(lucet_flags INTERFACE -fsanitize=address,undefined)
    target_compile_definitions(lucet_flags INTERFACE LUCET_SANITIZE=1)
elseif(LUCET_TSAN)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "LUCET_TSAN needs clang: configure with -DCMAKE_C_COMPILER=clang-22")
    endif()
    # Calls at entry and exit would be counted per thread; a run that ends in between has none of the latter.
    target_compile_options(lucet_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fsanitize=thread>
        "$<$<COMPILE_LANGUAGE:C>:SHELL:-mllvm -tsan-instrument-func-entry-exit=0>")
    execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libclang_rt.tsan-x86_64.so
                    OUTPUT_VARIABLE tsan_library OUTPUT_STRIP_TRAILING_WHITESPACE)
    get_filename_component(tsan_folder ${tsan_library} DIRECTORY)
    target_link_options(lucet_flags INTERFACE -fsanitize=thread -shared-libsan
        LINKER:-rpath,${tsan_folder})
    target_compile_definitions(lucet_flags INTERFACE LUCET_TSAN=1)
else()
    target_compile_options(lucet_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fstack-protector-strong>)
    if(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
        target_compile_options(lucet_flags INTERFACE
            $<$<COMPILE_LANGUAGE:C>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
    endif()
    target_link_options(lucet_flags INTERFACE LINKER:-z,defs)
endif()
target_link_options(lucet_flags INTERFACE
    LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack LINKER:--as-needed)
