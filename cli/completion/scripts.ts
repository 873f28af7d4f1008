/** What shells load. Each asks `bellhop __complete -- words…`, which answers a candidate and its description a line. */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = `_bellhop() {
  local line typed prefix
  local -a words
  # By spaces alone: bash would break a task's key at its colons.
  read -ra words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ "\${COMP_LINE:0:COMP_POINT}" == *" " ]] && words+=("")
  # Nothing that bash 3.2 of macOS does not know, such as an index from the end.
  typed="\${words[\${#words[@]}-1]}"
  prefix="\${typed%"\${typed##*[:=]}"}"
  COMPREPLY=()
  while IFS= read -r line; do
    line="\${line%%$'\\t'*}"
    COMPREPLY+=("\${line#"$prefix"}")
  done < <(bellhop __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _bellhop bellhop
`;

const ZSH = `#compdef bellhop
_bellhop() {
  local line
  local -a lines described
  lines=("\${(@f)$(bellhop __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#described} )); then _describe 'bellhop' described; else _files; fi
}
compdef _bellhop bellhop
`;

const FISH = `function __bellhop_complete
    set -l words (commandline -opc)
    set -l found (bellhop __complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c bellhop -f -a '(__bellhop_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
