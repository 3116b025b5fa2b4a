# How a container of the image starts.
package hallmark.runtime

needs contains "inventory"

user := object.get(input, ["inventory", "facts", "user"], {})

start := object.get(input, ["image", "config"], {})

# METADATA
# title: The image does not run as root
# description: >-
#   A process that breaks out of its container is then nobody in particular. The user is resolved through the image's own
#   accounts, as runtimes do: a name whose entry has no number is root, and so is no user at all.
# custom:
#   code: user-is-root
#   severity: deny
#   solution: add USER with a number above 0 to the Dockerfile
deny contains {"code": "user-is-root", "msg": msg} if {
	user.uid == 0
	msg := sprintf("the image runs as root: its user is %q", [user.configured])
}

# METADATA
# title: The image's user can be resolved
# description: A user that the image's accounts do not have starts no container, or another one in each runtime.
# custom:
#   code: user-unresolved
#   severity: deny
#   solution: add USER with a number to the Dockerfile, or the user to /etc/passwd of the image
deny contains {"code": "user-unresolved", "msg": msg} if {
	not is_number(object.get(user, "uid", null))
	msg := sprintf("nobody knows as whom the image runs: %v", [reason])
}

default reason := "its layers were not read"

reason := sprintf("%q: %s", [user.configured, user.error]) if is_string(user.error)

# METADATA
# title: The image says what it runs
# description: An image without entry point and command starts whatever the caller names.
# custom:
#   code: entrypoint-missing
#   severity: deny
#   solution: add ENTRYPOINT or CMD to the Dockerfile
deny contains {"code": "entrypoint-missing", "msg": msg} if {
	count(object.get(start, "entrypoint", [])) + count(object.get(start, "cmd", [])) == 0
	msg := "the image has neither entry point nor command"
}

# METADATA
# title: No port below 1024
# description: Whoever listens on a port below 1024 needs a right that most programs do not.
# custom:
#   code: port-privileged
#   severity: warn
#   solution: listen on a port from 1024 up, and map it outside
warn contains {"code": "port-privileged", "msg": msg, "ports": ports} if {
	ports := sort({port | some port in start.exposedPorts; regex.match(`^([0-9]{1,3}|10[01][0-9]|102[0-3])(/[a-z]+)?$`, port)})
	count(ports) > 0
	msg := sprintf("ports below 1024 are exposed: %s", [concat(", ", ports)])
}

# METADATA
# title: The image tells whether it is well
# description: Docker asks the image's own test whether a container works; Kubernetes does not read it.
# custom:
#   code: healthcheck-missing
#   severity: warn
#   solution: add HEALTHCHECK to the Dockerfile
warn contains {"code": "healthcheck-missing", "msg": msg} if {
	not has_healthcheck
	msg := "the image has no health check"
}

has_healthcheck if start.healthcheck[0] != "NONE"
