package program

import (
	"strings"
	"testing"
	"unicode"
)

const (
	curlJA4   = "t13d311100_e8f1e7e78f70_b26ce05bbdd6"
	goJA4     = "t13d131100_f57a46bbacb6_ab7e3b40a677"
	nssJA4    = "t13d171400_5b57614c22b0_3d5424432f57"
	appleJA4  = "t13d2014ip_a09f3c656075_7f0f34a4126d"
	gnutlsJA4 = "t13d291200_723694b0fccc_5671b5df5029"
	pythonJA4 = "t13d181100_85036bcba153_d41ae481755e"
	otherJA4  = "t13d101100_aaaaaaaaaaaa_bbbbbbbbbbbb"
)

func id(pairs ...string) (all []Pair) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, Pair{pairs[i], pairs[i+1]})
	}
	return all
}

func TestProgramsAreRecognised(t *testing.T) {
	for what, c := range map[string]struct {
		hints Hints
		want  Program
	}{
		"thunderbird":                       {Hints{ID: id("name", "Thunderbird", "version", "153.7.0"), JA4: nssJA4}, Program{Family: "thunderbird", Version: "153.7.0", Confidence: 90, Label: "Thunderbird 153.7.0"}},
		"thunderbird without a known hello": {Hints{ID: id("name", "Thunderbird", "version", "153.7.0"), JA4: otherJA4}, Program{Family: "thunderbird", Version: "153.7.0", Confidence: 70, Label: "Thunderbird 153.7.0"}},
		"thunderbird said by Go":            {Hints{ID: id("name", "Thunderbird", "version", "153.7.0"), JA4: goJA4}, Program{Family: "thunderbird", Version: "153.7.0", Confidence: 15, Label: "Thunderbird 153.7.0"}},
		"iphone":                            {Hints{ID: id("name", "iPhone Mail", "version", "20G75", "os", "iOS", "os-version", "16.6 (20G75)"), JA4: appleJA4}, Program{Family: "apple-mail", Version: "20G75", Platform: "iOS", Confidence: 90, Label: "Apple Mail (iPhone) 20G75"}},
		"maild":                             {Hints{ID: id("vendor", "Apple Inc", "name", "com.apple.email.maild", "os", "iOS", "version", "3774.600.62")}, Program{Family: "apple-mail", Version: "3774.600.62", Platform: "iOS", Confidence: 70, Label: "Apple Mail 3774.600.62"}},
		"maild on mac":                      {Hints{ID: id("name", "com.apple.email.maild", "os", "macOS")}, Program{Family: "apple-mail", Platform: "macOS", Confidence: 70, Label: "Apple Mail"}},
		"mac":                               {Hints{ID: id("name", "Mac OS X Mail", "version", "16.0", "os", "Mac OS X")}, Program{Family: "apple-mail", Version: "16.0", Platform: "macOS", Confidence: 70, Label: "Apple Mail (Mac) 16.0"}},
		"apple smtp":                        {Hints{EHLO: "smtpclient.apple", JA4: appleJA4}, Program{Family: "apple-mail", Confidence: 75, Label: "Apple Mail"}},
		"k-9":                               {Hints{ID: id("name", "K-9 Mail", "version", "6.603")}, Program{Family: "k-9", Version: "6.603", Platform: "android", Confidence: 70, Label: "K-9 Mail 6.603"}},
		"fairemail":                         {Hints{ID: id("name", "FairEmail", "version", "1.2178", "os", "Android")}, Program{Family: "fairemail", Version: "1.2178", Platform: "android", Confidence: 70, Label: "FairEmail 1.2178"}},
		"samsung":                           {Hints{ID: id("name", "com.samsung.android.email.provider", "os", "android")}, Program{Family: "samsung-email", Platform: "android", Confidence: 70, Label: "Samsung Email"}},
		"neomutt":                           {Hints{ID: id("name", "NeoMutt", "version", "20220429")}, Program{Family: "neomutt", Version: "20220429", Confidence: 70, Label: "NeoMutt 20220429"}},
		"mutt":                              {Hints{ID: id("name", "Mutt", "version", "2.2.9")}, Program{Family: "mutt", Version: "2.2.9", Confidence: 70, Label: "Mutt 2.2.9"}},
		"offlineimap":                       {Hints{ID: id("name", "OfflineIMAP", "version", "8.0.0"), JA4: pythonJA4}, Program{Family: "offlineimap", Version: "8.0.0", Confidence: 90, Label: "OfflineIMAP 8.0.0"}},
		"evolution":                         {Hints{ID: id("name", "evolution-data-server", "version", "3.46.4"), JA4: gnutlsJA4}, Program{Family: "evolution", Version: "3.46.4", Platform: "linux", Confidence: 90, Label: "Evolution 3.46.4"}},
		"evolution, silent":                 {Hints{EHLO: "[127.0.0.1]", JA4: gnutlsJA4}, Program{Family: "gnutls", Confidence: 25, Label: "A program built on GnuTLS"}},
		"roundcube":                         {Hints{ID: id("name", "Roundcube", "version", "1.6.5", "os", "Linux")}, Program{Family: "roundcube", Version: "1.6.5", Platform: "linux", Confidence: 70, Label: "Roundcube 1.6.5"}},
		"outlook":                           {Hints{UserAgent: "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"}, Program{Family: "outlook", Version: "16.0.17328", Platform: "windows", Confidence: 65, Label: "Outlook 16.0.17328"}},
		"outlook mac":                       {Hints{UserAgent: "MacOutlook/16.78.3 (Intel Mac OS X 13.5)"}, Program{Family: "outlook", Version: "16.78.3", Platform: "macOS", Confidence: 65, Label: "Outlook (Mac) 16.78.3"}},
		"iphone sync":                       {Hints{UserAgent: "Apple-iPhone14C2/2001.75"}, Program{Family: "apple-mail", Version: "2001.75", Platform: "iOS", Confidence: 65, Label: "Apple Mail (iPhone) 2001.75"}},
		"scanner":                           {Hints{EHLO: "BRN30055C7A1B2D"}, Program{Family: "scanner", Confidence: 55, Label: "Brother device"}},
		"scanner host":                      {Hints{EHLO: "KM6D2A12.office.example"}, Program{Family: "scanner", Confidence: 55, Label: "Kyocera or Konica Minolta device"}},
		"no scanner":                        {Hints{EHLO: "brooklyn.example"}, Program{Family: "unknown", Label: "Unknown program"}},
		"a word":                            {Hints{EHLO: "secaccede"}, Program{Family: "unknown", Label: "Unknown program"}},
		"own name":                          {Hints{ID: id("name", "Mein Programm", "version", "1")}, Program{Family: "mein programm", Version: "1", Confidence: 40, Label: "Mein Programm 1"}},
		"only hello":                        {Hints{EHLO: "host.example", JA4: curlJA4}, Program{Family: "openssl", Confidence: 25, Label: "A program built on OpenSSL"}},
		"nothing":                           {Hints{}, Program{Family: "unknown", Label: "Unknown program"}},
		"contradiction":                     {Hints{ID: id("name", "Thunderbird"), EHLO: "smtpclient.apple"}, Program{Family: "thunderbird", Confidence: 15, Label: "Thunderbird"}},
		"confirmation":                      {Hints{ID: id("name", "com.apple.email.maild"), EHLO: "smtpclient.apple", JA4: appleJA4}, Program{Family: "apple-mail", Platform: "iOS", Confidence: 100, Label: "Apple Mail"}},
		"own name and scanner":              {Hints{ID: id("name", "x"), EHLO: "RNP002673A1B2C3"}, Program{Family: "scanner", Confidence: 55, Label: "Ricoh device"}},
	} {
		got := Recognise(c.hints)
		basis := got.Basis
		got.Basis = nil
		if got.Family != c.want.Family || got.Version != c.want.Version || got.Platform != c.want.Platform || got.Confidence != c.want.Confidence || got.Label != c.want.Label {
			t.Errorf("%s: got %+v, want %+v", what, got, c.want)
		}
		if got.Confidence > 0 && len(basis) == 0 {
			t.Errorf("%s: does not say what it rests on", what)
		}
	}
}

func TestAContradictionIsSaid(t *testing.T) {
	p := Recognise(Hints{ID: id("name", "Thunderbird"), JA4: goJA4})
	if got := strings.Join(p.Basis, "; "); !strings.Contains(got, "TLS hello is that of Go, which Thunderbird does not use") {
		t.Errorf("basis: %s", got)
	}
}

func FuzzRecognise(f *testing.F) {
	f.Add("Thunderbird", "1", "BRN30055C7A1B2D", "curl/8", curlJA4)
	f.Add("\u202ex\r\n", strings.Repeat("é", 1000), "[127.0.0.1]", "/", "__")
	f.Fuzz(func(t *testing.T, name, version, ehlo, agent, ja4 string) {
		p := Recognise(Hints{ID: id("name", name, "version", version, "os", agent), EHLO: ehlo, UserAgent: agent, JA4: ja4})
		if p.Label == "" || p.Family == "" || p.Confidence > 100 || len(p.Label) > 8*maxWord {
			t.Fatalf("%+v", p)
		}
		for _, s := range append(p.Basis, p.Label, p.Family, p.Version) {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Fatalf("%q", s)
			}
		}
	})
}
