# What Kubernetes makes of how the image starts.
package hallmark.kubernetes

start := object.get(input, ["image", "config"], {})

user := object.get(start, "user", "")

# METADATA
# title: The user is a number above 0
# description: >-
#   With runAsNonRoot, which the restricted Pod Security Standard asks for, the kubelet starts no image whose user is a name: it does not look into the
#   image to see which number that is. No user at all is root.
# custom:
#   code: kubernetes-user
#   severity: deny
#   solution: "write USER with a number above 0 into the Dockerfile, as USER 65532"
deny contains {"code": "kubernetes-user", "msg": msg} if {
	not user_is_a_number
	msg := sprintf("with runAsNonRoot Kubernetes does not start an image whose user is %q", [user])
}

user_is_a_number if regex.match(`^[0-9]*[1-9][0-9]*(:.*)?$`, user)

# METADATA
# title: The program is the first process
# description: >-
#   An entry point through a shell makes the shell the first process, which does not hand on SIGTERM: each container is killed after its grace period in
#   the place of ending.
# custom:
#   code: kubernetes-shell
#   severity: warn
#   solution: "write ENTRYPOINT and CMD as lists, as [\"/app\"], or begin the shell's command with exec"
warn contains {"code": "kubernetes-shell", "msg": msg} if {
	command := array.concat(object.get(start, "entrypoint", []), object.get(start, "cmd", []))
	command[0] in {"/bin/sh", "/bin/bash", "sh", "bash"}
	command[1] == "-c"
	not is_replaced(command)
	msg := "the entry point runs through a shell, which does not hand on signals"
}

is_replaced(command) if startswith(command[2], "exec ")

# METADATA
# title: Nothing is written where no volume is mounted
# description: For each VOLUME the runtime makes a folder that may be written to, also with readOnlyRootFilesystem, and that no limit of the pod bounds.
# custom:
#   code: kubernetes-volume
#   severity: warn
#   solution: "leave VOLUME out of the Dockerfile, and mount an emptyDir with a sizeLimit where the program writes"
warn contains {"code": "kubernetes-volume", "msg": msg, "volumes": names} if {
	names := sort({name | some name in start.volumes})
	count(names) > 0
	msg := sprintf("the image declares %s: %s", [counted(count(names), "volume", "volumes"), concat(", ", names)])
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
