package hallmark.runtime_test

import data.hallmark.runtime

config := {"entrypoint": ["/app"], "cmd": [], "exposedPorts": ["8080/tcp"], "healthcheck": ["CMD", "/app"]}

somebody := {"configured": "1000", "uid": 1000, "gid": 0, "error": null}

given(user, start) := {
	"image": {"config": object.union(config, start)},
	"inventory": {"facts": {"user": object.union(somebody, user)}},
}

denied(user, start) := {result.code | some result in runtime.deny with input as given(user, start)}

warned(start) := {result.code | some result in runtime.warn with input as given({}, start)}

test_asks_for_the_inventory if runtime.needs == {"inventory"}

test_somebody_passes if {
	denied({}, {}) == set()
	warned({}) == set()
}

test_user_is_root if denied({"configured": "", "uid": 0}, {}) == {"user-is-root"}

test_user_unresolved if {
	denied({"configured": "app", "uid": null, "error": "/etc/passwd has no user of this name"}, {}) == {"user-unresolved"}
	some result in runtime.deny with input as given({"configured": "app", "uid": null, "error": "it is gone"}, {})
	endswith(result.msg, "\"app\": it is gone")
}

test_nothing_known_is_denied if {
	{result.code | some result in runtime.deny with input as {}} == {"user-unresolved", "entrypoint-missing"}
	some result in runtime.deny with input as {}
	endswith(result.msg, "its layers were not read")
}

test_entrypoint_missing if {
	denied({}, {"entrypoint": []}) == {"entrypoint-missing"}
	denied({}, {"entrypoint": [], "cmd": ["/app"]}) == set()
}

test_port_privileged if {
	warned({"exposedPorts": ["80/tcp"]}) == {"port-privileged"}
	warned({"exposedPorts": ["1023"]}) == {"port-privileged"}
	warned({"exposedPorts": ["1024/udp", "10000"]}) == set()
}

test_healthcheck_missing if {
	warned({"healthcheck": []}) == {"healthcheck-missing"}
	warned({"healthcheck": ["NONE"]}) == {"healthcheck-missing"}
	{result.code | some result in runtime.warn with input as {}} == {"healthcheck-missing"}
}

test_the_message_says_why_nobody_knows if {
	some result in runtime.deny with input as given({"configured": "app", "uid": null, "error": null}, {})
	endswith(result.msg, "its layers were not read")
}

test_an_entry_point_with_arguments_passes if denied({}, {"entrypoint": ["/app"], "cmd": ["-v"]}) == set()

test_a_health_check_of_one_word_is_one if {
	warned({"healthcheck": ["/app"]}) == set()
	count(runtime.warn) == 1 with input as {"image": {"config": {"healthcheck": []}}}
}
