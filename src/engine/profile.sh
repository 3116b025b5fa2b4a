# Narrows the profile of system calls that BuildKit and Docker give to a container, and that nobody can set. What the whole
# machine has once, and what no filter sees through, is taken out of it ($taken), and what is left of these calls is said in
# its place ($rules): libseccomp allows a call whatever its arguments where one rule says so.
#
# Without a profile a step could have the kernel start the machine's program for crashes, where there is one ($crashes).
if [ -f "$config" ] && grep -q '"seccomp":{' "$config"; then
  any=$(echo "$taken" | sed 's/ /\\|/g')
  allowed='{"names":\["\('$any'\)"\],"action":"SCMP_ACT_ALLOW"\(,"args":\[[^]]*\]\)\?}'
  # Words of the step come before the profile, and quotes in them have a backslash before them. What is said of a call goes, first
  # where it stands among other names.
  sed -i -e 's/"seccomp":{/&\n/' \
    -e ':a' -e 's/\(\n.*\)"\('"$any"'\)",/\1/; ta' -e ':b' -e 's/\(\n.*\),"\('"$any"'\)"/\1/; tb' \
    -e ':c' -e 's/\(\n.*\)'"$allowed"',/\1/; tc' -e 's/\(\n.*\),'"$allowed"'/\1/; tc' \
    -e 's/\n\(.*\)"syscalls":\[{/\1"syscalls":['"$rules"',{/' "$config" || exit 125
  count() { grep -o "\"$1\"" | wc -l; }
  profile=$(sed 's/.*"seccomp":{//' "$config")
  for call in $taken; do
    if [ "$(printf %s "$profile" | count "$call")" != "$(printf %s "$rules" | count "$call")" ]; then
      refuse 'the profile of system calls'
    fi
  done
  if ! grep -qF "\"syscalls\":[$rules" "$config" || grep -q '"seccomp":{.*"process":' "$config"; then
    refuse 'the profile of system calls'
  fi
elif [ -f "$config" ] && [ "$crashes" = 1 ]; then
  echo 'hallmark: this builder holds steps to no profile of system calls, and a crash would start a program of the machine' >&2
  exit 125
fi
