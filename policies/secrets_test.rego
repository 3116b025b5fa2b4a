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

test_a_secret_in_text_has_its_line_and_no_value if {
	some result in secrets.deny with input as given({"found": [object.union(key, {"line": 7})]})
	contains(result.msg, "private-key in /app/key.pem:7 of layer 1")
	contains(result.msg, "no value is shown, on purpose")
	some other in secrets.deny with input as given({"found": [object.union(key, {"line": null})]})
	contains(other.msg, "private-key in /app/key.pem of layer 1")
}

test_a_secret_beside_the_bytes_names_its_field if {
	some result in secrets.deny with input as given({"found": [object.union(key, {"name": "xattr user.note"})]})
	endswith(result.msg, "private-key in /app/key.pem (xattr user.note) of layer 1")
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

keys(most) := {"found": [object.union(key, {"path": sprintf("/k%d", [n])}) | some n in numbers.range(1, most)]}

test_many_places_are_cut if {
	some result in secrets.deny with input as given(keys(11))
	contains(result.msg, "11 secrets are in the layers; no value is shown, on purpose: private-key in /k1 of layer 1, private-key in /k10")
	endswith(result.msg, "/k8 of layer 1 and 1 more")
	some other in secrets.deny with input as given(keys(10))
	endswith(other.msg, "private-key in /k8 of layer 1, private-key in /k9 of layer 1")
}

by_side(layer, image) := {[result.code, result.side] |
	some result in secrets.deny with input as object.union(given({"found": [object.union(key, {"layer": layer})]}), {"image": image})
}

test_base_and_own_layers_are_told_apart if {
	by_side(0, {"baseLayers": 1}) == {["secret-in-layer", "base"]}
	by_side(1, {"baseLayers": 1}) == {["secret-in-layer", "own"]}
	by_side(null, {"baseLayers": 1}) == {["secret-in-layer", "own"]}
	by_side(0, {"baseLayers": null}) == {["secret-in-layer", "own"]}
	by_side(0, {}) == {["secret-in-layer", "own"]}
}

test_a_key_in_a_file_is_in_no_configuration if {
	both := {result.code | some result in secrets.deny with input as given({"found": [key, variable]})}
	both == {"secret-in-layer", "secret-in-configuration"}
	odd := object.union(variable, {"path": "/x", "layer": 1})
	denied({"found": [odd]}) == {"secret-in-configuration"}
	placed := object.union(key, {"index": 1})
	denied({"found": [placed]}) == {"secret-in-layer"}
}

argument(name, value) := {result.code |
	some result in secrets.deny with input as object.union(given({}), {"provenance": {"build": {"buildArgs": {name: value}}}})
}

test_secret_in_argument if {
	every name in ["NPM_TOKEN", "password", "DB_PASSWD", "API_KEY", "x_secret_y", "CREDENTIAL", "aws_credentials", "PRIVATE_KEY", "apikey", "passphrase"] {
		argument(name, "x") == {"secret-in-argument"}
	}
	every name in ["VERSION", "TOKENS", "KEY", "SECRETARY", "MONKEY"] {
		argument(name, "x") == set()
	}
	argument("NPM_TOKEN", "") == set()
}

test_counts_have_their_noun if {
	secrets.counted(1, "file is", "files are") == "1 file is"
	secrets.counted(0, "file is", "files are") == "0 files are"
	secrets.counted(2, "file is", "files are") == "2 files are"
}

test_a_secret_names_its_file_for_exceptions if {
	some result in secrets.deny with input as given({"found": [object.union(key, {"line": 7})]})
	result.files == ["/app/key.pem"]
}

test_a_side_names_its_own_files_alone if {
	found := [key, object.union(key, {"path": "/base/key.pem", "layer": 0})]
	document := object.union(given({"found": found}), {"image": {"baseLayers": 1}})
	{[result.side, result.files] | some result in secrets.deny with input as document} == {
		["base", ["/base/key.pem"]],
		["own", ["/app/key.pem"]],
	}
}
