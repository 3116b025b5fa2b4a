# Signatures that everybody can see.
package hallmark.transparency

# METADATA
# title: Every signature that counts is in a transparency log
# description: >-
#   A key that was stolen signs as well as ever; in a log, whose inclusion was proven, its owner can see that it did. Signatures that are in none count as
#   if they were not there.
# custom:
#   code: signature-not-logged
#   severity: deny
#   early: true
#   solution: "sign keyless, or with a tool that writes signatures by keys to a log that trust.roots knows"
deny contains {"code": "signature-not-logged", "msg": msg} if {
	count(logged) == 0
	msg := "no proven signature over the image is in a transparency log"
}

logged contains signer.name if {
	some signature in input.signatures
	signature.state == "proven"
	some signer in signature.signers
	count(signer.logIndices) > 0
}
