# The image came out of the supply chain that the operator's in-toto layouts describe.
package hallmark.layout

# METADATA
# title: Every in-toto layout for the image is proven
# description: hallmark.yaml names layouts for some images; such an image has to bring links that prove each of them.
# custom:
#   code: layout-unproven
#   about: [layout-untrusted, layout-expired, layout-key-unsupported, layout-threshold, layout-links-disagree, layout-rule-violated, layout-inspection-not-run, layout-product-missing]
#   severity: deny
#   early: true
#   solution: attach the links of every step to the image, or see the finding that says what is wrong with them
deny contains {"code": "layout-unproven", "msg": msg, "layout": name, "why": why} if {
	layouts_are_listed
	some layout in input.layouts
	not is_proven(layout)
	name := object.get(layout, "name", "unknown")
	why := object.get(layout, "why", "unknown")
	msg := sprintf("the in-toto layout %v is %v (%v)", [name, object.get(layout, "state", "unknown"), why])
}

deny contains {"code": "layout-unproven", "msg": msg} if {
	not layouts_are_listed
	msg := "the policy input has no list of layouts"
}

is_proven(layout) if layout.state == "proven"

layouts_are_listed if is_array(input.layouts)
