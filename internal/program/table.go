package program

import "strings"

// rule is one program: the word (lower case) by which a hint gives it away,
// and the TLS libraries it is built with.
type rule struct {
	word     string
	family   string
	label    string
	platform string
	stacks   []string
}

// Families, where several words lead to one.
const (
	appleMail   = "apple-mail"
	outlook     = "outlook"
	thunderbird = "thunderbird"
	scanner     = "scanner"
)

var (
	appleTLS   = []string{"apple"}
	unixTLS    = []string{"openssl", "gnutls"} // distributions build with either
	opensslTLS = []string{"openssl"}
	goTLS      = []string{"go"}
	pythonTLS  = []string{"python", "openssl"} // CPython's own list, or the distribution's
	nssTLS     = []string{"nss"}
)

// idRules are names given in IMAP's ID, first match wins; so special ones
// stand before general ones. Names as seen from the programs themselves.
var idRules = []rule{
	{"iphone mail", appleMail, "Apple Mail (iPhone)", "iOS", appleTLS},
	{"ipad mail", appleMail, "Apple Mail (iPad)", "iOS", appleTLS},
	{"com.apple.email.maild", appleMail, "Apple Mail", "iOS", appleTLS},
	{"mac os x mail", appleMail, "Apple Mail (Mac)", "macOS", appleTLS},
	{"com.apple.mail", appleMail, "Apple Mail (Mac)", "macOS", appleTLS},
	{"thunderbird for android", "k-9", "Thunderbird for Android", "android", nil},
	{"betterbird", thunderbird, "Betterbird", "", nssTLS},
	{"thunderbird", thunderbird, "Thunderbird", "", nssTLS},
	{"seamonkey", "seamonkey", "SeaMonkey", "", nssTLS},
	{"postbox", "postbox", "Postbox", "", nssTLS},
	{"outlook", outlook, "Outlook", "", nil},
	{"windows mail", "windows-mail", "Windows Mail", "windows", nil},
	{"k-9", "k-9", "K-9 Mail", "android", nil},
	{"fairemail", "fairemail", "FairEmail", "android", nil},
	{"com.samsung.android.email", "samsung-email", "Samsung Email", "android", nil},
	{"com.google.android.gm", "gmail-app", "Gmail app", "android", nil},
	{"com.android.email", "android-email", "Android Email", "android", nil},
	{"aquamail", "aqua-mail", "Aqua Mail", "android", nil},
	{"bluemail", "bluemail", "BlueMail", "", nil},
	{"gimap", "gmail-fetch", "Gmail's fetcher", "", nil},
	{"neomutt", "neomutt", "NeoMutt", "", unixTLS},
	{"mutt", "mutt", "Mutt", "", unixTLS},
	{"isync", "mbsync", "mbsync", "", opensslTLS},
	{"mbsync", "mbsync", "mbsync", "", opensslTLS},
	{"offlineimap", "offlineimap", "OfflineIMAP", "", pythonTLS},
	{"getmail", "getmail", "getmail", "", pythonTLS},
	{"fetchmail", "fetchmail", "fetchmail", "", opensslTLS},
	{"imapsync", "imapsync", "imapsync", "", opensslTLS},
	{"evolution", "evolution", "Evolution", "linux", []string{"gnutls"}},
	{"geary", "geary", "Geary", "linux", []string{"gnutls"}},
	{"claws", "claws-mail", "Claws Mail", "", []string{"gnutls"}},
	{"kontact", "kmail", "KMail", "linux", nil},
	{"kmail", "kmail", "KMail", "linux", nil},
	{"trojit", "trojita", "Trojitá", "", nil},
	{"the bat!", "the-bat", "The Bat!", "windows", nil},
	{"em client", "em-client", "eM Client", "", nil},
	{"mailspring", "mailspring", "Mailspring", "", nil},
	{"airmail", "airmail", "Airmail", "", nil},
	{"spark", "spark", "Spark", "", nil},
	{"mailmate", "mailmate", "MailMate", "macOS", appleTLS},
	{"roundcube", "roundcube", "Roundcube", "", opensslTLS},
	{"snappymail", "snappymail", "SnappyMail", "", opensslTLS},
	{"rainloop", "rainloop", "RainLoop", "", opensslTLS},
	{"horde", "horde", "Horde", "", opensslTLS},
	{"sogo", "sogo", "SOGo", "", nil},
	{"aerc", "aerc", "aerc", "", goTLS},
	{"alpine", "alpine", "Alpine", "", opensslTLS},
	{"s-nail", "s-nail", "s-nail", "", opensslTLS},
	{"mailkit", "mailkit", "a MailKit program", "", nil},
	{"javamail", "javamail", "a JavaMail program", "", []string{"java"}},
	{"imapflow", "imapflow", "an ImapFlow program", "", nil},
	{"nodemailer", "nodemailer", "a Nodemailer program", "", nil},
	{"go-imap", "go-imap", "a go-imap program", "", goTLS},
	{"imapclient", "imapclient", "a Python program", "", pythonTLS},
	{"python", "python", "a Python program", "", pythonTLS},
	{"curl", "curl", "curl", "", nil},
}

// agentRules are words in HTTP user agents.
var agentRules = []rule{
	{"outlook-ios", outlook, "Outlook (iOS)", "iOS", nil},
	{"outlook-android", outlook, "Outlook (Android)", "android", nil},
	{"macoutlook", outlook, "Outlook (Mac)", "macOS", appleTLS},
	{"microsoft outlook", outlook, "Outlook", "windows", nil},
	{"microsoft office", outlook, "Outlook", "windows", nil},
	{"apple-iphone", appleMail, "Apple Mail (iPhone)", "iOS", appleTLS},
	{"apple-ipad", appleMail, "Apple Mail (iPad)", "iOS", appleTLS},
	{"dataaccessd", appleMail, "Apple Mail or Calendar", "", appleTLS},
	{"exchangewebservices", appleMail, "Apple Mail (Mac)", "macOS", appleTLS},
	{"android-mail", "gmail-app", "Gmail app", "android", nil},
	{"samsung", "samsung-email", "Samsung Email", "android", nil},
	{"davx5", "davx5", "DAVx⁵", "android", nil},
	{"thunderbird", thunderbird, "Thunderbird", "", nssTLS},
	{"evolution", "evolution", "Evolution", "linux", []string{"gnutls"}},
	{"em client", "em-client", "eM Client", "", nil},
	{"python", "python", "a Python program", "", pythonTLS},
	{"go-http-client", "go", "a Go program", "", goTLS},
	{"curl", "curl", "curl", "", nil},
	{"edg", "edge", "Edge", "", []string{"boringssl"}},
	{"firefox", "firefox", "Firefox", "", nssTLS},
	{"chrome", "chrome", "Chrome", "", []string{"boringssl"}},
	{"safari", "safari", "Safari", "", appleTLS},
}

// ehloNames are names that only one program gives. Address literals, which
// Thunderbird, K-9 and many others give, tell nothing.
var ehloNames = map[string]rule{
	"smtpclient.apple": {"", appleMail, "Apple Mail", "", appleTLS},
}

// scannerNames are factory host names, a prefix and then digits of the
// network card's address. Scanners sign in with passwords for years.
var scannerNames = []rule{
	{"brn", scanner, "Brother device", "", nil},
	{"brw", scanner, "Brother device", "", nil},
	{"rnp", scanner, "Ricoh device", "", nil},
	{"npi", scanner, "HP device", "", nil},
	{"xrx", scanner, "Xerox device", "", nil},
	{"km", scanner, "Kyocera or Konica Minolta device", "", nil},
	{"epson", scanner, "Epson device", "", nil},
	{"canon", scanner, "Canon device", "", nil},
	{"sec", scanner, "Samsung device", "", nil},
	{"et", scanner, "Lexmark device", "", nil},
}

func find(rules []rule, s string) *rule {
	for i := range rules {
		if strings.Contains(s, rules[i].word) {
			return &rules[i]
		}
	}
	return nil
}

func findEHLO(name string) *rule {
	if r, ok := ehloNames[name]; ok {
		return &r
	}
	host, _, _ := strings.Cut(name, ".")
	for i := range scannerNames {
		if digits, ok := strings.CutPrefix(host, scannerNames[i].word); ok && cardAddress(digits) {
			return &scannerNames[i]
		}
	}
	return nil
}

// cardAddress says that s is 6 or 12 hexadecimal digits (all or half of a
// network card's address), with at least one decimal, so that no word is one.
func cardAddress(s string) bool {
	if len(s) != 6 && len(s) != 12 {
		return false
	}
	decimal := false
	for _, r := range s {
		decimal = decimal || r >= '0' && r <= '9'
		if !strings.ContainsRune("0123456789abcdef", r) {
			return false
		}
	}
	return decimal
}

// platformOf reads an operating system's name (lower case) in Graph's words.
func platformOf(os string) string {
	for _, p := range []struct{ word, platform string }{
		{"windows phone", "windowsPhone"}, {"android", "android"}, {"iphone", "iOS"}, {"ipad", "iOS"}, {"ios/", "iOS"}, {"ios ", "iOS"},
		{"mac os", "macOS"}, {"macos", "macOS"}, {"macintosh", "macOS"}, {"darwin", "macOS"},
		{"windows", "windows"}, {"winnt", "windows"}, {"linux", "linux"},
	} {
		if strings.HasPrefix(os, p.word) || strings.Contains(os, " "+p.word) || strings.Contains(os, "("+p.word) || strings.Contains(os, ";"+p.word) {
			return p.platform
		}
	}
	return ""
}
