package client

// onThisHost are the addresses at which a program on the same host can wait for
// its answer. Thunderbird's own window catches https://localhost.
var onThisHost = []string{"http://127.0.0.1", "http://[::1]", "http://localhost", "https://localhost"}

// builtin are the clients that come with the server. They are public: their ids
// are printed in every program's set-up, so that the id proves nothing, PKCE
// ties the answer to who asked, and people are asked for their consent.
//
// There is one per way in which a program is given a server of somebody's own.
// Programs whose servers are a table in their source (Apple's, K-9, Gmail's and
// Outlook's apps) cannot be given one, and have none here.
var builtin = []Client{
	fixed(Mail, "Mail program", onThisHost, GrantCode, GrantRefresh),
	fixed(Token, "portreeve token", onThisHost[:3], GrantCode, GrantRefresh, GrantDevice),
	fixed(Thunderbird, "Thunderbird", onThisHost, GrantCode, GrantRefresh),
	fixed(FairEmail, "FairEmail", []string{"eu.faircode.email:/"}, GrantCode, GrantRefresh),
}

func fixed(id, name string, redirects []string, grants ...string) Client {
	return Client{ID: id, Name: name, Kind: Builtin, State: Unjudged, Public: true, Consent: true, Redirects: redirects, Grants: grants}
}

func findBuiltin(id string) (Client, bool) {
	for i := range builtin {
		if builtin[i].ID == id {
			return builtin[i], true
		}
	}
	return Client{}, false
}
