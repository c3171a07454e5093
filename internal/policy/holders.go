package policy

// Put sets a switch where it is held, in the source's own maps: for building one,
// thousands of mailboxes long. known is whether there is such a switch and
// holder. What a source shares with a snapshot is changed by SetSwitch instead.
func (src *Source) Put(h Holder, name string, value *bool) (known bool) {
	switch h.Kind {
	case HeldByOrganization:
		known = src.Organization.Set(name, value)
	case HeldByDomain:
		d := src.Domains[h.ID]
		known = d.Set(name, value)
		src.Domains[h.ID] = d
	case HeldByGroup:
		g := src.Groups[h.ID]
		known = g.Set(name, value)
		src.Groups[h.ID] = g
	case HeldByMailbox:
		m := src.Mailboxes[h.ID]
		known = m.Set(name, value)
		src.Mailboxes[h.ID] = m
	}
	return known
}

// Assign gives a holder an authentication policy, by id or name, as Put does a switch.
func (src *Source) Assign(h Holder, authPolicy string) {
	switch h.Kind {
	case HeldByOrganization:
		src.Organization.DefaultAuthenticationPolicy = authPolicy
	case HeldByGroup:
		g := src.Groups[h.ID]
		g.AuthenticationPolicy = authPolicy
		src.Groups[h.ID] = g
	case HeldByMailbox:
		m := src.Mailboxes[h.ID]
		m.AuthenticationPolicy = authPolicy
		src.Mailboxes[h.ID] = m
	}
}
