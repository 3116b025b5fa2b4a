package hallmark.files_test

import data.hallmark.files

clean := {
	"setIds": [], "capabilities": [], "worldWritable": [], "devices": [], "programs": [],
	"size": {"compressed": 100}, "leftOut": [],
}

given(facts, settings) := {
	"inventory": {"facts": object.union(clean, facts)},
	"settings": {"files": settings},
}

denied(facts, settings) := {result.code | some result in files.deny with input as given(facts, settings)}

test_asks_for_the_inventory if files.needs == {"inventory"}

test_a_clean_tree_passes if {
	denied({}, {}) == set()
	count(files.deny) == 0 with input as {"inventory": {"facts": clean}}
}

su := {"setIds": [{"path": "/bin/su", "layer": 0}]}

test_file_set_id if {
	denied(su, {}) == {"file-set-id"}
	denied(su, {"privileged": ["/bin/other"]}) == {"file-set-id"}
	denied(su, {"privileged": ["/bin/su"]}) == set()
}

ping := {"capabilities": [{"path": "/bin/ping", "permitted": ["CAP_NET_RAW"]}]}

test_file_capability if {
	denied(ping, {}) == {"file-capability"}
	denied(ping, {"privileged": ["/bin/ping"]}) == set()
}

test_file_world_writable if denied({"worldWritable": [{"path": "/etc/run"}]}, {}) == {"file-world-writable"}

test_file_device if denied({"devices": [{"path": "/dev/sda"}]}, {}) == {"file-device"}

tool(class) := {"programs": [{"path": "/bin/x", "class": class}]}

test_tool_present if {
	denied(tool("package-manager"), {}) == {"tool-present"}
	denied(tool("compiler"), {}) == {"tool-present"}
	denied(tool("debugger"), {}) == {"tool-present"}
	denied(tool("shell"), {}) == set()
	denied(tool("shell"), {"tools": ["shell"]}) == {"tool-present"}
	denied(tool("compiler"), {"tools": []}) == set()
}

test_image_too_large if {
	denied({}, {"maxBytes": 99}) == {"image-too-large"}
	denied({}, {"maxBytes": 100}) == set()
	denied({}, {"maxBytes": 0}) == set()
}

test_facts_incomplete_where_layers_were_not_read if {
	{result.code | some result in files.deny with input as {}} == {"facts-incomplete"}
	{result.code | some result in files.deny with input as {"inventory": {"facts": null}}} == {"facts-incomplete"}
}

test_facts_incomplete_where_a_bound_cut_a_list if {
	denied({"leftOut": [{"list": "setIds", "count": 3}]}, {}) == {"facts-incomplete"}
}

test_many_names_are_cut if {
	nodes := [{"path": sprintf("/f%d", [n])} | some n in numbers.range(1, 12)]
	some result in files.deny with input as given({"devices": nodes}, {})
	contains(result.msg, "12 device nodes")
	endswith(result.msg, "and 2 more")
}
