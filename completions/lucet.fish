# Completion for fish (3.4 or later) of the programs of Lucet; installed under each program's name. The options,
# and what is said of them, are those that --help of the installed program lists, so that they are never out of date.

set -l program (status basename | string replace -r '\.fish$' '')

# "  -o, --output FILE     where to write". An argument in brackets may be left out.
set -l option '^ +(-(?<short>\w), )?--(?<long>[a-z][a-z0-9-]*)(?<takes> [A-Z][^ ]*)?(\[[^ ]*)?( +(?<what>.*))?$'

# The files among what is to be completed that end like that, and directories.
function __lucet_files
    __fish_complete_path (commandline -ct) | string match -r -- "^.*(?:/|$argv[1])(?:\t.*)?\$"
end

for line in ($program --help 2>/dev/null)
    string match -rq -- $option $line; or continue
    set -l arguments -c $program -l $long
    test -n "$short"; and set -a arguments -s $short
    test -n "$what"; and set -a arguments -d $what
    switch $long
        case emit
            set -a arguments -x -a 'so obj llvm-ir asm header'
        case opt-level
            set -a arguments -x -a '0 1 2 none speed speed_and_size'
        case error-style
            set -a arguments -x -a 'human json'
        case region
            set -a arguments -x -a 'mmap uffd'
        case bindings
            set -a arguments -x -a '(__lucet_files "\.json")'
        case dir dir-ro precious cache-dir
            set -a arguments -x -a '(__fish_complete_directories (commandline -ct))'
        case '*'
            test -n "$takes"; and set -a arguments -r
    end
    complete $arguments
end

switch $program
    case lucetc
        complete -c $program -x -a '(__lucet_files "\.(?:wasm|wat)")'
    case lucet-wasi
        complete -c $program -x -a '(__lucet_files "\.(?:so|wasm|wat)")'
    case lucet-objdump
        complete -c $program -x -a '(__lucet_files "\.so")'
    case lucet-perf
        complete -c $program -x -a '(__fish_complete_subcommand)'
end
