# shellcheck shell=bash
# What the scripts of tests/ share. Sourced by scripts that have sourced deploy/local/lib.sh.

# scripts: every shell script of the tree, known by its first line or its suffix.
scripts() {
  git ls-files --cached --others --exclude-standard -- deploy tests .ci | while IFS= read -r path; do
    [[ -f $path ]] || continue
    case $path in
      *.sh) printf '%s\n' "$path" ;;
      *.*) ;;
      *) IFS= read -r first <"$path" && [[ $first == '#!'*bash ]] && printf '%s\n' "$path" ;;
    esac || true
  done
}

# free_port: below the range from which the kernel takes ports for outgoing connections.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s\n' "$port"
}
