# Unit tests: every tests/unit/DIR/test_NAME.c is a program unit_DIR_NAME. The other .c files of
# its folder are helpers, compiled into each program of the folder.

find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
lucet_everything(unit_libs)

set(test_environment
    LUCET_BIN=${PROJECT_BINARY_DIR}/bin
    LUCET_SRC=${PROJECT_SOURCE_DIR}
    LUCET_BUILD=${PROJECT_BINARY_DIR}
    LUCET_CORPORA=${PROJECT_SOURCE_DIR}/build/corpora
    LUCET_SANITIZE=$<BOOL:${LUCET_SANITIZE}>
    WASM_CC=clang-22)
if(LUCET_SANITIZE)
    # The runtime installs handlers and signal stacks of its own, and guests run on stacks that
    # the sanitizer knows nothing of.
    string(JOIN ":" asan_options handle_segv=1 allow_user_segv_handler=1 use_sigaltstack=0
           detect_stack_use_after_return=0 strict_string_checks=1)
    list(APPEND test_environment
        ASAN_OPTIONS=${asan_options} UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1)
endif()
# Long enough for machines ten times as slow as those on which tests take a minute or two.
set(unit_timeout 3600)
set(run_timeout 3600)
if(LUCET_TSAN)
    set(unit_timeout 7200)
    string(JOIN ":" tsan_options halt_on_error=1 handle_segv=0 handle_sigbus=0 handle_sigill=0
           handle_sigfpe=0 use_sigaltstack=0)
    list(APPEND test_environment TSAN_OPTIONS=${tsan_options})
endif()

# Programs that have no region, choose its kind themselves, or show what is compiled and not where it lies.
set(LUCET_TESTS_OF_NO_REGION "_(artifacts|system_calls|floats|irrelevant|params|quick_steps|results|stop_steps|tail_calls|\
throwing|throwing_host|values|many_tags|barrier|demand.*|load|parts|refs|registers|signal_frame|stop_states|\
wasi_allocator)$")

file(GLOB unit_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/*/test_*.c)
if(unit_tests AND NOT (CMOCKA_INCLUDE AND CMOCKA_LIBRARY))
    message(WARNING "cmocka was not found (package libcmocka-dev): no unit tests")
    set(unit_tests "")
endif()
add_custom_target(unit_tests_runtime) # what `make tsan` needs
foreach(source IN LISTS unit_tests)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(dir ${folder} NAME)
    if(dir MATCHES "^(run|runtime|lucetc)$" AND NOT TARGET lucet_lucetc)
        continue() # they compile their guests
    endif()
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "unit_${dir}_" name ${name})
    file(GLOB helpers CONFIGURE_DEPENDS ${folder}/*.c)
    list(FILTER helpers EXCLUDE REGEX "/test_[^/]*$")

    add_executable(${name} ${source} ${helpers})
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
    target_include_directories(${name} SYSTEM PRIVATE ${CMOCKA_INCLUDE})
    # cmocka.h wants these before it; so nobody has to keep an order of includes.
    target_compile_options(${name} PRIVATE "SHELL:-include stdarg.h" "SHELL:-include stddef.h"
        "SHELL:-include stdint.h" "SHELL:-include setjmp.h")
    target_link_libraries(${name} PRIVATE lucet_flags ${unit_libs} ${CMOCKA_LIBRARY})
    if(dir MATCHES "^(run|runtime)$")
        add_dependencies(unit_tests_runtime ${name})
    endif()
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
    set_tests_properties(${name} PROPERTIES
        LABELS unit TIMEOUT ${unit_timeout} ENVIRONMENT "${test_environment}")
    # Both kinds of regions pass the same tests.
    if(dir MATCHES "^(run|runtime)$")
        foreach(function lucet_mmap_region_create lucet_mmap_region_create_with)
            target_link_options(${name} PRIVATE LINKER:--wrap=${function})
        endforeach()
        if(NOT name MATCHES "${LUCET_TESTS_OF_NO_REGION}")
            add_test(NAME ${name}_on_demand COMMAND ${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
            set_tests_properties(${name}_on_demand PROPERTIES LABELS unit TIMEOUT ${unit_timeout}
                ENVIRONMENT "${test_environment};LUCET_TEST_REGION=uffd")
        endif()
    endif()
endforeach()

# Tests that run the programs: every tests/run/NAME.sh. Exit code 77 means skipped.
file(GLOB run_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/run/*.sh)
foreach(source IN LISTS run_tests)
    get_filename_component(name ${source} NAME_WE)
    add_test(NAME run_${name} COMMAND bash ${source} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
    set_tests_properties(run_${name} PROPERTIES
        LABELS run TIMEOUT ${run_timeout} SKIP_RETURN_CODE 77 ENVIRONMENT "${test_environment}")
    if(name MATCHES "^wasi_(attack|limits|program|stop|threads)$")
        add_test(NAME run_${name}_on_demand COMMAND bash ${source} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
        set_tests_properties(run_${name}_on_demand PROPERTIES LABELS run TIMEOUT ${run_timeout} SKIP_RETURN_CODE 77
            ENVIRONMENT "${test_environment};LUCET_TEST_REGION=uffd")
    endif()
endforeach()
