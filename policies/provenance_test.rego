package hallmark.provenance_test

import data.hallmark.provenance

denied(document) := {result.code | some result in provenance.deny with input as document}

with_commit(commit) := {"provenance": {"state": "proven", "build": {"source": {"url": "u", "commit": commit}}}}

test_provenance_with_a_commit_passes if denied(with_commit("0123")) == set()

test_provenance_missing if {
	denied({"provenance": {"state": "missing", "build": null}}) == {"provenance-missing"}
	denied({"provenance": {"state": "proven", "build": null}}) == {"provenance-missing"}
	denied({}) == {"provenance-missing"}
}

test_provenance_no_commit if {
	denied(with_commit(null)) == {"provenance-no-commit"}
	denied({"provenance": {"state": "proven", "build": {"source": null}}}) == {"provenance-no-commit"}
}

test_what_nobody_proved_is_not_there if {
	unproven := {"provenance": {"state": "unproven", "build": {"source": {"url": "u", "commit": "0123"}}}}
	denied(unproven) == {"provenance-missing"}
	denied({"provenance": {"state": "unproven", "build": {"source": null}}}) == {"provenance-missing"}
}
