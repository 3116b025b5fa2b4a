# Nothing that was seen is an error.
package hallmark.findings

codes contains finding.code if {
	some finding in input.findings
	finding.severity == "error"
}

# METADATA
# title: Nothing that was seen is an error
# description: >-
#   Corrupt bytes, a configuration that lies about its layers, evidence that contradicts itself, a limit that was exceeded:
#   each is a finding of severity error, and an image with one is not trusted whatever else is proven.
# custom:
#   code: error-findings
#   severity: deny
#   solution: see each finding; hallmark explain CODE says what it means
deny contains {"code": "error-findings", "msg": msg, "codes": codes} if {
	count(codes) > 0
	msg := sprintf("%s found: %s", [counted(count(codes), "kind of error was", "kinds of error were"), concat(", ", sort(codes))])
}

# METADATA
# title: Two rebuilds do not agree with each other against the image
# description: >-
#   Where two rebuilds give the same and the published image is another, it does not come from the source that it names. Whatever
#   else is asked for, such an image is denied; rebuild.allow in hallmark.yaml can explain what differs.
# custom:
#   code: rebuild-consistently-different
#   about: [rebuild-differs]
#   severity: deny
#   solution: find out what was built; see the differences and their Dockerfile lines
deny contains {"code": "rebuild-consistently-different", "msg": msg} if {
	input.rebuild.status == "compared"
	input.rebuild.determinism == "consistently-different"
	input.rebuild.level == 0
	msg := "two rebuilds gave the same, and the published image is another"
}

# METADATA
# title: The input is of the form that these rules read
# description: Rules that look for what is wrong would find nothing in an input that holds nothing.
# custom:
#   code: input-incomplete
#   severity: deny
#   solution: evaluate these rules with the input that hallmark makes, hallmark/input/v1
deny contains {"code": "input-incomplete", "msg": msg} if {
	not complete
	msg := "the policy input has no list of findings or is not hallmark/input/v1"
}

complete if {
	input.schema == "hallmark/input/v1"
	is_array(input.findings)
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
