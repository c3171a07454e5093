package policy

import "slices"

// platformsCondition: the kind of device, as its program tells it, unverified.
// An unknown platform matches only the word all.
type platformsCondition struct{ Platforms }

func (p *platformsCondition) name() string { return "platforms" }

func (p *platformsCondition) holds(f *Facts) bool {
	known := f.Platform != PlatformUnknown
	included := p.AllIncluded || known && slices.Contains(p.Include, f.Platform)
	excluded := p.AllExcluded || known && slices.Contains(p.Exclude, f.Platform)
	return included && !excluded
}

func (p *platformsCondition) needed() string {
	words := func(all bool, list []Platform) (out []string) {
		if all {
			out = append(out, "all")
		}
		for _, x := range list {
			out = append(out, x.String())
		}
		return out
	}
	return sides(words(p.AllIncluded, p.Include), words(p.AllExcluded, p.Exclude))
}

func (p *platformsCondition) seen(f *Facts) string { return f.Platform.String() }

// flowsCondition: how a token came from one device to another. It holds only
// for sign-ins known to have used one of the flows, as in Entra.
type flowsCondition struct{ methods TransferMethods }

func (c *flowsCondition) name() string         { return "authenticationFlows" }
func (c *flowsCondition) holds(f *Facts) bool  { return c.methods&f.Flow != 0 }
func (c *flowsCondition) needed() string       { return c.methods.String() }
func (c *flowsCondition) seen(f *Facts) string { return f.Flow.String() }

// String is Graph's comma-joined form; "none" is no transfer.
func (t TransferMethods) String() string {
	switch t & (DeviceCodeFlow | AuthenticationTransfer) {
	case DeviceCodeFlow:
		return "deviceCodeFlow"
	case AuthenticationTransfer:
		return "authenticationTransfer"
	case DeviceCodeFlow | AuthenticationTransfer:
		return "deviceCodeFlow,authenticationTransfer"
	}
	return "none"
}
