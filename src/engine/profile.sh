# Narrows the profile of system calls that BuildKit and Docker give to a container, and that nobody can set. It takes
# away what the whole machine has once, and what no filter sees through: contexts for asynchronous input and output,
# calls by io_uring, which make sockets too, sockets of other families than a network namespace divides (rings of packet
# sockets are memory that is charged to nobody), and the one call of old 32-bit programs for every kind of socket, which
# libseccomp would allow beside "socket" unless something else is said of it, which has to differ from what is said of
# all others.
if [ -f "$config" ] && grep -q '"seccomp":' "$config"; then
  rule='{"names":["socketcall"],"action":"SCMP_ACT_ERRNO","errnoRet":97}'
  family() {
    printf ',{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":%s,"op":"SCMP_CMP_EQ"}%s]}' "$1" "${2:-}"
  }
  # Local sockets, IPv4, IPv6, and netlink without its audit records.
  sockets=$(family 1; family 2; family 10; family 16 ',{"index":2,"value":9,"op":"SCMP_CMP_NE"}')
  shared='\(io_setup\|io_uring_setup\|io_uring_enter\|io_uring_register\|socketcall\)'
  allowed='{"names":\["socket"\],"action":"SCMP_ACT_ALLOW"\(,"args":\[[^]]*\]\)\?}'
  # Words of the step come before the profile, and quotes in them have a backslash before them. What is said of "socket" goes, first
  # where it stands among other names.
  sed -i -e 's/"seccomp":{/&\n/' \
    -e ':a' -e 's/\(\n.*\)"'"$shared"'",/\1/; ta' -e 's/\(\n.*\),"'"$shared"'"/\1/; ta' \
    -e ':b' -e 's/\(\n.*\)"socket",/\1/; tb' -e 's/\(\n.*\),"socket"/\1/; tb' \
    -e ':c' -e 's/\(\n.*\)'"$allowed"',/\1/; tc' -e 's/\(\n.*\),'"$allowed"'/\1/; tc' \
    -e 's/\n\(.*\)"syscalls":\[{/\1"syscalls":['"$rule$sockets"',{/' "$config" || exit 125
  left=$(sed 's/.*"seccomp":{//' "$config" | grep -o '"socket"' | wc -l)
  if [ "$left" != 4 ] || ! grep -qF "\"syscalls\":[$rule" "$config" \
    || grep -q '"seccomp":{.*"\(io_setup"\|io_uring_[a-z]*"\|process":\)' "$config"; then
    refuse 'the profile of system calls'
  fi
fi
