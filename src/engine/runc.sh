#!/bin/sh
# Stands before a builder's runc: changes the container that is to run, and becomes runc. Builders write the
# configuration, and words of the step in it have a backslash before each quote. A configuration of a form that is not
# known here ends the step.
#
# No step sees control groups, which some builders give it to write in: their mount goes, and what another mount shows of
# them is covered. So is the pressure of the machine, of which each file takes triggers that nobody is charged with. In a
# namespace of users there are none to write in, and the container stays in the group of the job's programs. What a step
# itself mounts there would be taken away or covered without a word, so that such a step ends.
#
# A limit on core files, which a builder may give to a step, stays 1: with any other, 0 among them, a crash starts the
# machine's program for crashes.
bundle=. last='' config=''
for word; do
  case $last in --bundle | -b) bundle=$word ;; esac
  case $word in
    --bundle=*) bundle=${word#*=} ;;
    create | run | restore) config=config.json ;;
  esac
  last=$word
done
# What makes no container reads no configuration.
config=${config:+$bundle/$config}
refuse() {
  echo "hallmark: $1 in $config cannot be narrowed" >&2
  exit 125
}
if [ -f "$config" ]; then
  read -r _ outside _ < /proc/self/uid_map || refuse 'the namespace of users'
  path='"cgroupsPath":"[^"]*"'
  if [ "$outside" = 0 ]; then path='"hallmark:none"'; fi
  if grep -o '{"destination":"[/.]*sys/[^}]*' "$config" | grep -qv '^{"destination":"/sys/fs/cgroup","type":"cgroup"'; then
    echo 'hallmark: this step mounts something below /sys, where steps are shown no control groups; mount it elsewhere' >&2
    exit 125
  fi
  groups='{"destination":"\/sys\/fs\/cgroup"[^}]*}'
  sed -i -e "s/,$groups//g; s/$groups,//g; s/,$path//; s/$path,//" \
    -e 's/"maskedPaths":\[/&"\/sys\/fs\/cgroup","\/proc\/pressure",/' \
    -e 's/\("type":"RLIMIT_CORE"\),"hard":[0-9]*,"soft":[0-9]*/\1,"hard":1,"soft":1/g' "$config" || exit 125
  grep -qF '"maskedPaths":["/sys/fs/cgroup","/proc/pressure","' "$config" || refuse 'what is covered'
  if grep -q "$groups" "$config" || grep -q "$path" "$config"; then refuse 'what is seen of control groups'; fi
  if grep -o '"type":"RLIMIT_CORE"[^}]*' "$config" | grep -qv '^"type":"RLIMIT_CORE","hard":1,"soft":1$'; then
    refuse 'the limit of core files'
  fi
fi
