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

_lucet() {
    local program=$1 word=$2 before=$3 suffixes values
    COMPREPLY=()
    values=$(_lucet_values "$before")
    if [ -n "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
        return
    fi
    case $before in
    --dir | --precious)
        COMPREPLY=($(compgen -d -- "$word"))
        return
        ;;
    --bindings) suffixes='*.json' ;;
    -o | --output) suffixes='*' ;;
    *)
        if [[ $word == -* ]]; then
            COMPREPLY=($(compgen -W "$(_lucet_options "$program")" -- "$word"))
            return
        fi
        case ${program##*/} in
        lucetc) suffixes='*.@(wasm|wat)' ;;
        lucet-wasi) suffixes='*.@(so|wasm|wat)' ;;
        *) suffixes='*.so' ;;
        esac
        ;;
    esac
    COMPREPLY=($(shopt -s extglob && compgen -f -X "!$suffixes" -- "$word") $(compgen -d -S / -- "$word"))
}
complete -o nospace -o filenames -F _lucet lucetc lucet-wasi lucet-objdump
