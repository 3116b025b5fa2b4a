# No private key and no token is in the image.
package hallmark.secrets

needs contains "secrets"

secrets := object.get(input, "secrets", null)

# The layers of a known base are told apart from the image's own; what lies in no known layer counts as its own.
side_of(one) := "base" if in_base(one)

side_of(one) := "own" if not in_base(one)

in_base(one) if {
	is_number(one.layer)
	one.layer < input.image.baseLayers
}

sides := ["own", "base"]

# Paths of files that may hold one.
allowed := {path | some path in object.get(input, ["settings", "secrets", "allow"], [])}

in_files contains secret if {
	some secret in secrets.found
	secret.source == "file"
	not is_allowed(secret)
}

is_allowed(secret) if secret.path in allowed

in_configuration contains secret if {
	some secret in secrets.found
	secret.source != "file"
}

# METADATA
# title: No private key and no token is in a layer
# description: >-
#   Whoever can pull the image has every file of every layer, also where a later layer deletes it. One that a passphrase protects
#   is one, too. policy.settings.secrets.allow lists paths of files that may hold one, as the key of a test.
# custom:
#   code: secret-in-layer
#   severity: deny
#   solution: "revoke it, and give it to the build as a secret mount (RUN --mount=type=secret) or to the container when it runs"
deny contains {"code": "secret-in-layer", "msg": msg, "side": side, "secrets": places, "files": files} if {
	some side in sides
	files := sort({secret.path | some secret in in_files; side_of(secret) == side})
	places := sort({place |
		some secret in in_files
		side_of(secret) == side
		place := sprintf("%s in %s%s%s of layer %v", [secret.kind, secret.path, at_line(secret), named(secret), secret.layer])
	})
	count(places) > 0
	msg := sprintf("%s in the layers; no value is shown, on purpose: %s", [counted(count(places), "secret is", "secrets are"), some_of(places)])
}

# METADATA
# title: No secret is in the configuration or the history
# description: >-
#   Variables, labels, commands and the history of the build are read by everybody who can pull the image; ARG and ENV are written
#   there.
# custom:
#   code: secret-in-configuration
#   severity: deny
#   solution: "revoke it, and give it to the build as a secret mount (RUN --mount=type=secret) or to the container when it runs"
deny contains {"code": "secret-in-configuration", "msg": msg, "secrets": places} if {
	places := sort({place |
		some secret in in_configuration
		place := sprintf("%s in %s %v%s", [secret.kind, secret.source, secret.index, named(secret)])
	})
	count(places) > 0
	msg := sprintf("%s in the configuration; no value is shown, on purpose: %s", [counted(count(places), "secret is", "secrets are"), some_of(places)])
}

default at_line(_) := ""

at_line(secret) := sprintf(":%d", [secret.line]) if is_number(secret.line)

# Names of arguments whose values open something.
opens := `(?i)(^|_)(password|passwd|passphrase|secret|token|apikey|api_key|private_key|credentials?)($|_)`

# METADATA
# title: No secret was given to the build as an argument
# description: Arguments are written into provenance, which everybody reads who can pull the image.
# custom:
#   code: secret-in-argument
#   severity: deny
#   solution: "revoke it, and give it to the build as a secret mount (RUN --mount=type=secret)"
deny contains {"code": "secret-in-argument", "msg": msg, "arguments": names} if {
	names := sort({name |
		some name, value in input.provenance.build.buildArgs
		value != ""
		regex.match(opens, name)
	})
	count(names) > 0
	msg := sprintf("%s: %s", [counted(count(names), "build argument is named like a secret and has a value", "build arguments are named like secrets and have a value"), some_of(names)])
}

default named(_) := ""

named(secret) := sprintf(" (%s)", [secret.name]) if is_string(secret.name)

# METADATA
# title: Everything was searched for secrets
# description: What was not searched is not known to hold none, and a list that a bound cut does not say all.
# custom:
#   code: secrets-not-searched
#   severity: deny
#   solution: see why; raise limits.secretBytes or limits.facts where one is named
deny contains {"code": "secrets-not-searched", "msg": msg} if {
	not searched
	msg := "nothing was searched for secrets: the layers were not read"
}

deny contains {"code": "secrets-not-searched", "msg": msg} if {
	some one in secrets.unsearched
	msg := sprintf("%s not searched for secrets, the first is %s: %s", [counted(one.files, "file was", "files were"), one.path, one.why])
}

deny contains {"code": "secrets-not-searched", "msg": msg} if {
	secrets.leftOut > 0
	msg := sprintf("%s not listed: there are more than limits.facts", [counted(secrets.leftOut, "secret is", "secrets are")])
}

searched if is_array(secrets.found)

some_of(places) := concat(", ", places) if count(places) <= 10

some_of(places) := sprintf("%s and %d more", [concat(", ", array.slice(places, 0, 10)), count(places) - 10]) if {
	count(places) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
