# Completion for bash of the programs of Lucet. The options are those that --help of the installed
# program lists, so that they are never out of date.
# shellcheck shell=bash disable=SC2207 # words without spaces

_lucet_options() { # PROGRAM
    "$1" --help 2>/dev/null | grep -Eo -- '(^|[ ,])--?[a-z][a-z0-9_-]*' | tr -d ' ,' | sort -u
}

_lucet_values() { # OPTION: the words it takes, none when it takes anything else
    case $1 in
    --emit) echo so obj llvm-ir asm header ;;
    --opt-level) echo 0 1 2 none speed speed_and_size ;;
    --error-style) echo human json ;;
    --region) echo mmap uffd ;;
    esac
}

_lucet_files() { # WORD PATTERN: those that match, and directories
    COMPREPLY=($(shopt -s extglob && compgen -f -X "!$2" -- "$1") $(compgen -d -- "$1"))
}

_lucet() {
    local program=$1 word=$2 before=$3 values
    COMPREPLY=()
    # --option=word is three words to bash.
    [ "$word" != = ] || word=
    [ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]:-}
    values=$(_lucet_values "$before")
    if [ -n "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
        return
    fi
    case $before in
    --dir | --dir-ro | --precious | --cache-dir) COMPREPLY=($(compgen -d -- "$word")) ;;
    --bindings) _lucet_files "$word" '*.json' ;;
    -o | --output) _lucet_files "$word" '*' ;;
    -a | --artifact) _lucet_files "$word" '*.so' ;;
    *)
        case ${program##*/}:$word in
        *:-*) COMPREPLY=($(compgen -W "$(_lucet_options "$program")" -- "$word")) ;;
        lucetc:*) _lucet_files "$word" '*.@(wasm|wat)' ;;
        lucet-wasi:*) _lucet_files "$word" '*.@(so|wasm|wat)' ;;
        lucet-objdump:*) _lucet_files "$word" '*.so' ;;
        *) COMPREPLY=($(compgen -c -- "$word") $(compgen -f -- "$word")) ;; # a command and its arguments
        esac
        ;;
    esac
}
complete -o filenames -F _lucet lucetc lucet-wasi lucet-objdump lucet-perf
