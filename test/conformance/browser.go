package main

// The suite has a browser of its own, HtmlUnit. These are what it is told to do
// there: tasks, in their order, each for pages of an address; those whose page does
// not come are left out.

type task struct {
	Task     string  `json:"task"`
	Match    string  `json:"match"`
	Optional bool    `json:"optional"`
	Commands [][]any `json:"commands,omitempty"`
}

type visit struct {
	Match string `json:"match"`
	Tasks []task `json:"tasks"`
}

const pageTime = 10 // seconds

// seen shows the suite a page, for the modules that want to see it.
var seen = []any{"wait", "css", "h1", pageTime, ".", "update-image-placeholder-optional"}

func click(css string) []any { return []any{"click", "css", css, "optional"} }

// browser is what a person does at our pages: sign in, prove it again, agree, and
// sign out. An error page is where it came to and stays.
func (i *issuer) browser(c callbacks) []visit {
	return []visit{
		{i.origin + "/oauth2/authorize*", []task{
			{"an error page", i.origin + "/oauth2/authorize*", true, [][]any{seen}},
			{"sign in", i.origin + "/signin*", true, [][]any{seen, {"text", "id", "address", person}, {"text", "id", "password", password}, click("form[action='/signin'] button")}},
			{"prove it again", i.origin + "/confirm*", true, [][]any{seen, {"text", "id", "password", password}, click("main form button")}},
			{"agree", i.origin + "/connect*", true, [][]any{click("form[action='/connect/allow'] button")}},
			{"come back", c.callback + "*", true, [][]any{{"wait", "id", "submission_complete", pageTime}}},
		}},
		{i.origin + "/oauth2/logout*", []task{
			{"an error page", i.origin + "/oauth2/logout*", true, [][]any{seen}},
			{"sign out", i.origin + "/signout*", true, [][]any{click("main form[action='/signout'] button")}},
			{"signed out", i.origin + "/signin*", true, [][]any{seen}},
			{"come back", c.postLogout + "*", true, nil},
		}},
	}
}
