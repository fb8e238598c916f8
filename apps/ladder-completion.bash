# Completion of the program `ladder` for bash: commands, the flags of a command, files.
_ladder() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-}
  if [ "$COMP_CWORD" -eq 1 ]; then
    local commands
    commands=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n -E '/^  ladder /d; s/^  ([a-z]+) .*/\1/p')
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    return
  fi
  if [[ $word == -* ]]; then
    local flags
    flags=$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | grep -o -E '^  --[a-z-]+')
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _ladder ladder
