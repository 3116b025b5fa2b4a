package hallmark.kubernetes_test

import data.hallmark.kubernetes

config := {"user": "1000", "entrypoint": ["/app"], "cmd": [], "volumes": []}

given(change) := {"image": {"config": object.union(config, change)}}

denied(change) := {result.code | some result in kubernetes.deny with input as given(change)}

warned(change) := {result.code | some result in kubernetes.warn with input as given(change)}

test_a_number_passes if {
	denied({}) == set()
	denied({"user": "1000:1000"}) == set()
	denied({"user": "10:staff"}) == set()
	warned({}) == set()
}

test_kubernetes_user if {
	every user in ["", "0", "00", "0:0", "app", "root", "app:1000", "1000x", "-1"] {
		denied({"user": user}) == {"kubernetes-user"}
	}
	{result.code | some result in kubernetes.deny with input as {}} == {"kubernetes-user"}
	{result.code | some result in kubernetes.deny with input as {"image": {"config": {}}}} == {"kubernetes-user"}
}

test_kubernetes_shell if {
	every shell in ["/bin/sh", "/bin/bash", "sh", "bash"] {
		warned({"entrypoint": [shell, "-c", "/app"]}) == {"kubernetes-shell"}
		warned({"entrypoint": [], "cmd": [shell, "-c", "/app"]}) == {"kubernetes-shell"}
		warned({"entrypoint": [shell, "-c", "exec /app"]}) == set()
	}
	warned({"entrypoint": ["/bin/sh", "/run.sh", "/app"]}) == set()
	warned({"entrypoint": ["/app", "-c", "x"]}) == set()
	warned({"entrypoint": ["/bin/sh", "-c"], "cmd": ["/app"]}) == {"kubernetes-shell"}
}

test_kubernetes_volume if {
	warned({"volumes": ["/data"]}) == {"kubernetes-volume"}
	some result in kubernetes.warn with input as given({"volumes": ["/data", "/a"]})
	endswith(result.msg, "2 volumes: /a, /data")
}

test_no_user_is_root_in_the_message if {
	some result in kubernetes.deny with input as {}
	endswith(result.msg, `user is ""`)
}

test_counts_have_their_noun if {
	kubernetes.counted(1, "file is", "files are") == "1 file is"
	kubernetes.counted(0, "file is", "files are") == "0 files are"
	kubernetes.counted(2, "file is", "files are") == "2 files are"
}
