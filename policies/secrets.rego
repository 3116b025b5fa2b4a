# No private key and no token is in the image.
package hallmark.secrets

needs contains "secrets"

secrets := object.get(input, "secrets", null)

# Paths of files that may hold one.
allowed := {path | some path in object.get(input, ["settings", "secrets", "allow"], [])}

in_files contains secret if {
	some secret in secrets.found
	secret.source == "file"
	not secret.path in allowed
}

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
deny contains {"code": "secret-in-layer", "msg": msg, "secrets": places} if {
	places := sort({place |
		some secret in in_files
		place := sprintf("%s in %s of layer %v", [secret.kind, secret.path, secret.layer])
	})
	count(places) > 0
	msg := sprintf("%d secrets are in the layers: %s", [count(places), some_of(places)])
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
	msg := sprintf("%d secrets are in the configuration: %s", [count(places), some_of(places)])
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
	msg := sprintf("%d files were not searched for secrets, the first is %s: %s", [one.files, one.path, one.why])
}

deny contains {"code": "secrets-not-searched", "msg": msg} if {
	secrets.leftOut > 0
	msg := sprintf("%d secrets are not listed: there are more than limits.facts", [secrets.leftOut])
}

searched if is_array(secrets.found)

some_of(places) := concat(", ", places) if count(places) <= 10

some_of(places) := sprintf("%s and %d more", [concat(", ", array.slice(places, 0, 10)), count(places) - 10]) if {
	count(places) > 10
}
