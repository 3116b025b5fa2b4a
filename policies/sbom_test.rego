package hallmark.sbom_test

import data.hallmark.sbom

denied(document) := {result.code | some result in sbom.deny with input as document}

test_an_sbom_passes if denied({"sboms": [{"state": "proven"}]}) == set()

test_sbom_missing if {
	denied({"sboms": []}) == {"sbom-missing"}
	denied({"sboms": [{"state": "unproven", "why": "unsigned"}]}) == {"sbom-missing"}
	denied({}) == {"sbom-missing"}
}
