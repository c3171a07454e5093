package sieve

import "testing"

func TestFilterSpoilsWhatEndsTheSession(t *testing.T) {
	for in, want := range map[string]string{
		"UNAUTHENTICATE\r\n":                                             "UNAUTHENTICATZ\r\n",
		"unAuthenticate\n":                                               "unAuthenticatZ\n",
		"LISTSCRIPTS\r\nSTARTTLS\r\nCAPABILITY\r\n":                      "LISTSCRIPTS\r\nSTARTTLZ\r\nCAPABILITY\r\n",
		" \t\x00STARTTLS\r\n":                                            " \t\x00STARTTLZ\r\n",
		"FOO {16+}\r\nUNAUTHENTICATE\r\n\r\n":                            "FOO {16+}\r\nUNAUTHENTICATZ\r\n\r\n", // no server's notion of a literal matters
		"NOOP\rUNAUTHENTICATE\r\n":                                       "NOOP\rUNAUTHENTICATZ\r\n",
		"UNAUTHENTICATED\r\n":                                            "UNAUTHENTICATZD\r\n",
		"PUTSCRIPT \"UNAUTHENTICATE\" \"keep;\"\r\nLOGOUT\r\n":           "PUTSCRIPT \"UNAUTHENTICATE\" \"keep;\"\r\nLOGOUT\r\n",
		"AUTHENTICATE \"PLAIN\"\r\n":                                     "AUTHENTICATE \"PLAIN\"\r\n",
		"STARTTL S\r\nUNAUTHENTICAT\r\nE\r\nXSTARTTLS\r\n# STARTTLS\r\n": "STARTTL S\r\nUNAUTHENTICAT\r\nE\r\nXSTARTTLS\r\n# STARTTLS\r\n",
	} {
		for cut := range len(in) + 1 {
			var f Filter
			b := []byte(in)
			f.FromClient(b[:cut])
			f.FromClient(b[cut:])
			if string(b) != want {
				t.Fatalf("%q cut at %d became %q, want %q", in, cut, b, want)
			}
		}
	}
}
