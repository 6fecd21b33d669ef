# lucet_part(NAME [DIR dir] [USES part…] [LIBS target…])
#   The object code of src/NAME as the static library lucet_NAME. Does nothing if there is no
#   source yet. Files for one processor go to src/NAME/<processor>/.
function(lucet_part name)
    cmake_parse_arguments(arg "" "DIR" "USES;LIBS" ${ARGN})
    if(NOT arg_DIR)
        set(arg_DIR src/${name})
    endif()
    file(GLOB sources CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/${arg_DIR}/*.c
        ${PROJECT_SOURCE_DIR}/${arg_DIR}/*.S
        ${PROJECT_SOURCE_DIR}/${arg_DIR}/${CMAKE_SYSTEM_PROCESSOR}/*.c
        ${PROJECT_SOURCE_DIR}/${arg_DIR}/${CMAKE_SYSTEM_PROCESSOR}/*.S)
    if(NOT sources)
        message(STATUS "${arg_DIR}: no sources yet, left out")
        return()
    endif()

    add_library(lucet_${name}_objects OBJECT ${sources})
    target_link_libraries(lucet_${name}_objects PRIVATE lucet_flags ${arg_LIBS})
    add_library(lucet_${name} STATIC $<TARGET_OBJECTS:lucet_${name}_objects>)
    set_target_properties(lucet_${name} PROPERTIES LINKER_LANGUAGE C)
    # lucet_flags carries the sanitizers' link options to whoever links the part.
    target_link_libraries(lucet_${name} PUBLIC lucet_flags)
    foreach(part IN LISTS arg_USES)
        if(TARGET lucet_${part})
            target_link_libraries(lucet_${name} PUBLIC lucet_${part})
        endif()
    endforeach()
    target_link_libraries(lucet_${name} PUBLIC ${arg_LIBS})
endfunction()

# lucet_library(NAME PARTS part… [LIBS target…] [SHARED_LIBS library…])
#   The public library libNAME, static (target NAME-static) and shared (NAME-shared), made of the
#   objects of the parts. The first part is the library's own: without it there is no library.
#   The static one holds a single object in which hidden symbols are local: internal names such
#   as `push` are then no concern of whoever links it, just as with the shared one.
function(lucet_library name)
    cmake_parse_arguments(arg "" "" "PARTS;LIBS;SHARED_LIBS" ${ARGN})
    list(GET arg_PARTS 0 own)
    if(NOT TARGET lucet_${own})
        return()
    endif()
    foreach(lib IN LISTS arg_SHARED_LIBS)
        if(NOT TARGET ${lib}-shared)
            message(STATUS "lib${name}: left out, it needs lib${lib}")
            return()
        endif()
    endforeach()
    set(objects "")
    foreach(part IN LISTS arg_PARTS)
        if(TARGET lucet_${part})
            list(APPEND objects $<TARGET_OBJECTS:lucet_${part}_objects>)
        endif()
    endforeach()
    set(libs "")
    foreach(lib IN LISTS arg_LIBS)
        if(TARGET ${lib})
            list(APPEND libs ${lib})
        endif()
    endforeach()

    set(whole ${PROJECT_BINARY_DIR}/CMakeFiles/${name}.whole.o)
    set(object ${PROJECT_BINARY_DIR}/CMakeFiles/${name}.o)
    add_custom_command(OUTPUT ${object}
        COMMAND ${CMAKE_LINKER} -r -o ${whole} ${objects}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole} ${object}
        COMMAND ${CMAKE_COMMAND} -E rm ${whole}
        DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM COMMENT "Joining objects of ${name}")
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    add_library(${name}-static STATIC ${object})
    target_link_libraries(${name}-static PUBLIC ${libs} INTERFACE lucet_flags)
    add_library(${name}-shared SHARED ${objects})
    target_link_libraries(${name}-shared PRIVATE ${libs} lucet_flags)
    foreach(lib IN LISTS arg_SHARED_LIBS)
        target_link_libraries(${name}-static PUBLIC ${lib}-static)
        target_link_libraries(${name}-shared PUBLIC ${lib}-shared)
    endforeach()
    set_target_properties(${name}-static ${name}-shared PROPERTIES
        OUTPUT_NAME ${name} LINKER_LANGUAGE C)
    set_target_properties(${name}-shared PROPERTIES
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
        LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/lucet.map)
    target_link_options(${name}-shared PRIVATE
        LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/lucet.map)
    set_property(GLOBAL APPEND PROPERTY LUCET_LIBRARIES ${name})
endfunction()

# The parts and libraries a program or test of ours may need, of those that exist.
function(lucet_everything variable)
    set(found "")
    foreach(target lucet_tools_common lucet_wasi lucet_runtime lucet_lucetc lucet_verify
            lucet_sign lucet_wasm lucet_module PkgConfig::JANSSON PkgConfig::SODIUM
            Threads::Threads)
        if(TARGET ${target})
            list(APPEND found ${target})
        endif()
    endforeach()
    set(${variable} ${found} PARENT_SCOPE)
endfunction()

# lucet_programs(DIR): a program for every DIR/NAME.c and every folder DIR/NAME but "common",
# linked statically with all of our own code that it uses.
function(lucet_programs dir)
    lucet_everything(libs)
    file(GLOB entries CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${dir}
        ${PROJECT_SOURCE_DIR}/${dir}/*.c ${PROJECT_SOURCE_DIR}/${dir}/*/*.c)
    foreach(entry IN LISTS entries)
        string(REGEX REPLACE "(/.*|\\.c)$" "" name ${entry})
        if(NOT name STREQUAL common)
            list(APPEND names ${name})
            list(APPEND sources_${name} ${PROJECT_SOURCE_DIR}/${dir}/${entry})
        endif()
    endforeach()
    list(REMOVE_DUPLICATES names)

    foreach(name IN LISTS names)
        lucet_missing(${name} missing)
        if(missing)
            message(STATUS "${name}: left out, it needs ${missing}")
            continue()
        endif()
        add_executable(program_${name} ${sources_${name}})
        set_target_properties(program_${name} PROPERTIES OUTPUT_NAME ${name})
        set(program_libs ${libs})
        if(name STREQUAL lucet-wasi) # runs lucetc; LLVM would cost it its quick start
            list(REMOVE_ITEM program_libs lucet_lucetc)
        endif()
        target_link_libraries(program_${name} PRIVATE lucet_flags ${program_libs})
        if(name STREQUAL lucet-objdump)
            target_link_libraries(program_${name} PRIVATE Zydis::Zydis)
        endif()
        if(name STREQUAL lucet-wasi)
            # Its cache knows by this file's date that LLVM has been replaced.
            get_filename_component(llvm "${LUCET_LLVM_LIBDIR}/libLLVM.so" REALPATH)
            target_compile_definitions(program_${name} PRIVATE
                LUCET_LLVM_LIBRARY="${llvm}")
        endif()
        set_property(GLOBAL APPEND PROPERTY LUCET_PROGRAMS program_${name})
    endforeach()
endfunction()

# What a program cannot be built without.
set(LUCET_NEEDS_lucetc lucet_lucetc lucet_wasi)
set(LUCET_NEEDS_lucet-wasi lucet_wasi lucet_runtime PkgConfig::SODIUM)
set(LUCET_NEEDS_lucet-objdump lucet_module Zydis::Zydis PkgConfig::JANSSON)
set(LUCET_NEEDS_lucet-spectest lucet_runtime lucet_lucetc PkgConfig::JANSSON)
function(lucet_missing name variable)
    set(missing "")
    foreach(target IN LISTS LUCET_NEEDS_${name})
        if(NOT TARGET ${target})
            string(APPEND missing " ${target}")
        endif()
    endforeach()
    set(${variable} "${missing}" PARENT_SCOPE)
endfunction()
