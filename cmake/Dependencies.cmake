# What is taken from the system. scripts/install-deps.sh installs all of it on Debian 12.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

pkg_check_modules(JANSSON IMPORTED_TARGET GLOBAL jansson)
pkg_check_modules(SODIUM IMPORTED_TARGET GLOBAL libsodium)
find_package(Zydis QUIET)

if(LUCET_COMPILER)
    if(NOT TARGET PkgConfig::JANSSON)
        message(FATAL_ERROR "lucetc needs jansson (package libjansson-dev); "
                "run `make deps`, or build without the compiler: -DLUCET_COMPILER=OFF")
    endif()
    find_program(LUCET_LLVM_CONFIG NAMES llvm-config-${LUCET_LLVM} NO_CACHE
                 PATHS /usr/lib/llvm-${LUCET_LLVM}/bin)
    if(NOT LUCET_LLVM_CONFIG)
        message(FATAL_ERROR "llvm-config-${LUCET_LLVM} was not found (package "
                "llvm-${LUCET_LLVM}-dev); run `make deps`, choose another version with "
                "-DLUCET_LLVM=19, or build without the compiler: -DLUCET_COMPILER=OFF")
    endif()
    function(llvm_config variable)
        execute_process(COMMAND ${LUCET_LLVM_CONFIG} ${ARGN} OUTPUT_VARIABLE out
                        OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
        set(${variable} "${out}" PARENT_SCOPE)
    endfunction()
    llvm_config(LUCET_LLVM_VERSION --version)
    llvm_config(LUCET_LLVM_INCLUDE --includedir)
    llvm_config(LUCET_LLVM_LIBDIR --libdir)
    llvm_config(LUCET_LLVM_BINDIR --bindir)
    llvm_config(LUCET_LLVM_LIBS --libs)
    separate_arguments(LUCET_LLVM_LIBS)
    message(STATUS "LLVM ${LUCET_LLVM_VERSION} (${LUCET_LLVM_LIBDIR})")

    add_library(lucet_llvm INTERFACE)
    target_include_directories(lucet_llvm SYSTEM INTERFACE ${LUCET_LLVM_INCLUDE})
    target_link_directories(lucet_llvm INTERFACE ${LUCET_LLVM_LIBDIR})
    target_link_libraries(lucet_llvm INTERFACE ${LUCET_LLVM_LIBS})
    # The linker that lucetc runs as a child belongs to the same release of LLVM.
    target_compile_definitions(lucet_llvm INTERFACE
        LUCET_LLVM_MAJOR=${LUCET_LLVM} LUCET_LLD_PATH="${LUCET_LLVM_BINDIR}/ld.lld")
endif()
