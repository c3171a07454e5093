package policy

// condition is one configured condition of one policy, its references
// resolved. Each stands in a file of its own, says what it does with unknown
// values, and explains itself. Compile asks the same conditions for each value
// that policies name, and keeps the answers as bits.
type condition interface {
	// name is Graph's.
	name() string
	holds(*Facts) bool
	// needed and seen are words for a person.
	needed() string
	seen(*Facts) string
}

// rule is a policy made ready. A nil condition is not configured.
type rule struct {
	*Policy
	users     *usersCondition
	apps      *appsCondition
	clients   *clientAppCondition
	platforms *platformsCondition
	locations *locationsCondition
	device    *deviceCondition
	flows     *flowsCondition
	risks     []riskCondition
	services  *servicesCondition
	kinds     *kindsCondition
	programs  *programsCondition
	asns      *asnsCondition
	hours     *hoursCondition
	newClient *newClientCondition
	webmail   *webmailCondition
	share     *shareCondition
	period    *periodCondition
	asked     asked
}

// conditions lists the configured ones, in the order in which they are shown.
func (r *rule) conditions() []condition {
	var all []condition
	add := func(configured bool, c condition) {
		if configured {
			all = append(all, c)
		}
	}
	add(r.users != nil, r.users)
	add(r.services != nil, r.services)
	add(r.apps != nil, r.apps)
	add(r.clients != nil, r.clients)
	add(r.platforms != nil, r.platforms)
	add(r.locations != nil, r.locations)
	add(r.device != nil, r.device)
	add(r.flows != nil, r.flows)
	for i := range r.risks {
		add(true, &r.risks[i])
	}
	add(r.kinds != nil, r.kinds)
	add(r.programs != nil, r.programs)
	add(r.newClient != nil, r.newClient)
	add(r.asns != nil, r.asns)
	add(r.period != nil, r.period)
	add(r.hours != nil, r.hours)
	add(r.share != nil, r.share)
	add(r.webmail != nil, r.webmail)
	return all
}

// never says that no sign-in of a person can meet the policy's conditions.
func (r *rule) never() bool {
	if r.services != nil {
		return true
	}
	for i := range r.risks {
		if !r.risks[i].holds(nil) {
			return true
		}
	}
	return false
}

// own says that the policy has conditions that only Portreeve has, besides the
// kind of credential.
func (r *rule) own() bool {
	return r.programs != nil || r.asns != nil || r.hours != nil || r.newClient != nil || r.webmail != nil || r.share != nil || r.period != nil
}
