package hallmark.secrets_test

import data.hallmark.secrets

given(changes) := {"secrets": object.union({"found": [], "leftOut": 0, "unsearched": [], "fixtures": 3}, changes)}

denied(changes) := {result.code | some result in secrets.deny with input as given(changes)}

key := {"kind": "private-key", "source": "file", "path": "/app/key.pem", "layer": 1, "hidden": true, "name": null}

variable := {"kind": "named-secret", "source": "env", "index": 2, "name": "DB_PASSWORD"}

test_asks_for_secrets if secrets.needs == {"secrets"}

test_none_passes if denied({}) == set()

test_secret_in_layer if {
	denied({"found": [key]}) == {"secret-in-layer"}
	some result in secrets.deny with input as given({"found": [key]})
	endswith(result.msg, "private-key in /app/key.pem of layer 1")
}

test_an_allowed_path_passes if {
	settings := {"settings": {"secrets": {"allow": ["/app/key.pem"]}}}
	count(secrets.deny) == 0 with input as object.union(given({"found": [key]}), settings)
	other := {"settings": {"secrets": {"allow": ["/app/other.pem"]}}}
	count(secrets.deny) == 1 with input as object.union(given({"found": [key]}), other)
}

test_secret_in_configuration if {
	denied({"found": [variable]}) == {"secret-in-configuration"}
	some result in secrets.deny with input as given({"found": [variable]})
	endswith(result.msg, "named-secret in env 2 (DB_PASSWORD)")
	step := {"kind": "named-secret", "source": "history", "index": 4, "name": null}
	some other in secrets.deny with input as given({"found": [step]})
	endswith(other.msg, "named-secret in history 4")
}

test_secrets_not_searched if {
	{result.code | some result in secrets.deny with input as {}} == {"secrets-not-searched"}
	denied({"unsearched": [{"path": "/a", "why": "it is too much", "files": 2}]}) == {"secrets-not-searched"}
	denied({"leftOut": 1}) == {"secrets-not-searched"}
}

test_many_places_are_cut if {
	found := [object.union(key, {"path": sprintf("/k%d", [n])}) | some n in numbers.range(1, 12)]
	some result in secrets.deny with input as given({"found": found})
	contains(result.msg, "12 secrets")
	endswith(result.msg, "and 2 more")
}
