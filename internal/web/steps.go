package web

// steps are what a person can do next, for the program that was refused. They
// depend on the program alone, never on why it was refused.
func steps(program string) []string {
	first := "Check that name and password are typed as they should be; the name is usually your whole address."
	last := "If it still fails, give this page's reference to whoever looks after your mail. They can see the reason; you need not describe the error."
	if own, ok := stepsOf[program]; ok {
		return []string{first, own, last}
	}
	return []string{first, "If your program can sign in with a browser (often called OAuth2 or modern authentication), choose that instead of a password.", last}
}

var stepsOf = map[string]string{
	"thunderbird": "In Account Settings, Server Settings, set the authentication method to OAuth2, and do the same for the outgoing server.",
	"outlook":     "Remove the account and add it again; a window for signing in opens by itself.",
	"apple-mail":  "Remove the account in Settings and add it again; where a sign-in page opens, use it instead of a password.",
	"mutt":        "Let imap_oauth_refresh_command print a token, and set imap_authenticators to \"oauthbearer:xoauth2\".",
	"neomutt":     "Let imap_oauth_refresh_command print a token, and set imap_authenticators to \"oauthbearer:xoauth2\".",
	"mbsync":      "Set AuthMechs XOAUTH2 and let PassCmd print a token.",
	"msmtp":       "Set auth oauthbearer and let passwordeval print a token.",
}
