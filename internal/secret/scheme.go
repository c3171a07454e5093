package secret

import (
	"crypto/hmac"
	"crypto/md5" // imported hashes only, never made
	"crypto/pbkdf2"
	"crypto/sha1" // imported hashes only, never made
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// verifier says whether a password is the one a decoded hash was made of.
type verifier func(password []byte) (bool, error)

func verifyImported(stored string, password []byte) (bool, error) {
	match, err := decode(stored)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPassword {
		return false, nil
	}
	return match(password)
}

// decode reads a stored hash in Dovecot's form, {SCHEME} or {SCHEME.ENCODING}
// before the hash (doc.dovecot.org, core/config/auth/schemes), or in crypt(3)'s
// without one.
func decode(stored string) (verifier, error) {
	if _, is := plainText(stored); is {
		return nil, ErrPlain
	}
	scheme, rest, marked := cutScheme(stored)
	if !marked {
		return decodeCrypt(stored)
	}
	name, encoding, _ := strings.Cut(scheme, ".")
	if d, ok := digests[name]; ok {
		return decodeDigest(d, encoding, rest)
	}
	switch name {
	case "CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2I", "ARGON2ID":
		return decodeCrypt(rest)
	case "PBKDF2":
		return decodeDovecotPBKDF2(rest)
	case "SCRAM-SHA-1":
		return decodeSCRAM(sha1.New, rest)
	case "SCRAM-SHA-256":
		return decodeSCRAM(sha256.New, rest)
	}
	return nil, fmt.Errorf("%w: {%s}", ErrUnreadable, scheme)
}

// cutScheme splits "{SSHA.B64}rest" and puts the scheme in upper case.
func cutScheme(stored string) (scheme, rest string, marked bool) {
	inner, found := strings.CutPrefix(stored, "{")
	if !found {
		return "", stored, false
	}
	scheme, rest, marked = strings.Cut(inner, "}")
	return strings.ToUpper(scheme), rest, marked
}

// plainText says whether stored is a password in the clear.
func plainText(stored string) (string, bool) {
	scheme, rest, marked := cutScheme(stored)
	if !marked {
		return "", false
	}
	switch scheme {
	case "PLAIN", "CLEAR", "CLEARTEXT":
		return rest, true
	}
	return "", false
}

// digest is one simple hash, with or without a salt behind it.
type digest struct {
	new    func() hash.Hash
	salted bool
	hex    bool // the encoding when none is named
}

var digests = map[string]digest{
	"SHA": {new: sha1.New}, "SHA1": {new: sha1.New}, "SHA256": {new: sha256.New}, "SHA512": {new: sha512.New},
	"SSHA": {new: sha1.New, salted: true}, "SSHA256": {new: sha256.New, salted: true}, "SSHA512": {new: sha512.New, salted: true},
	"SMD5": {new: md5.New, salted: true}, "LDAP-MD5": {new: md5.New}, "PLAIN-MD5": {new: md5.New, hex: true},
}

// decodeDigest reads hash(password ‖ salt) ‖ salt.
func decodeDigest(d digest, encoding, rest string) (verifier, error) {
	raw, err := decodeBytes(encoding, d.hex, rest)
	size := d.new().Size()
	if err != nil || len(raw) < size || (!d.salted && len(raw) != size) || (d.salted && len(raw) == size) {
		return nil, fmt.Errorf("%w: a digest of the wrong form", ErrUnreadable)
	}
	sum, salt := raw[:size], raw[size:]
	return func(password []byte) (bool, error) {
		h := d.new()
		h.Write(password)
		h.Write(salt)
		return Equal(h.Sum(nil), sum), nil
	}, nil
}

func decodeBytes(encoding string, hexByDefault bool, s string) ([]byte, error) {
	switch encoding {
	case "HEX":
		return hex.DecodeString(s)
	case "B64", "BASE64":
		return decodeBase64(s)
	case "":
		if hexByDefault {
			return hex.DecodeString(s)
		}
		return decodeBase64(s)
	}
	return nil, fmt.Errorf("%w: encoding %s", ErrUnreadable, encoding)
}

func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// decodeDovecotPBKDF2 reads Dovecot's own form, $1$salt$rounds$hexkey, where
// the salt is used as its letters stand (src/auth/password-scheme-pbkdf2.c).
func decodeDovecotPBKDF2(rest string) (verifier, error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "1" {
		return nil, fmt.Errorf("%w: {PBKDF2}", ErrUnreadable)
	}
	rounds, err := readRounds(parts[3])
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(parts[4])
	if err != nil || len(key) < sha1.Size {
		return nil, fmt.Errorf("%w: {PBKDF2}", ErrUnreadable)
	}
	return func(password []byte) (bool, error) {
		made, err := pbkdf2.Key(sha1.New, string(password), []byte(parts[2]), rounds, len(key))
		return err == nil && Equal(made, key), err
	}, nil
}

// decodeSCRAM reads "rounds,salt,stored key,server key" (RFC 5802 section 3).
func decodeSCRAM(h func() hash.Hash, rest string) (verifier, error) {
	parts := strings.Split(rest, ",")
	if len(parts) != 4 {
		return nil, fmt.Errorf("%w: {SCRAM}", ErrUnreadable)
	}
	rounds, err := readRounds(parts[0])
	if err != nil {
		return nil, err
	}
	salt, err1 := decodeBase64(parts[1])
	stored, err2 := decodeBase64(parts[2])
	if err1 != nil || err2 != nil || len(stored) != h().Size() {
		return nil, fmt.Errorf("%w: {SCRAM}", ErrUnreadable)
	}
	return func(password []byte) (bool, error) {
		salted, err := pbkdf2.Key(h, string(password), salt, rounds, h().Size())
		if err != nil {
			return false, err
		}
		mac := hmac.New(h, salted)
		mac.Write([]byte("Client Key"))
		sum := h()
		sum.Write(mac.Sum(nil))
		return Equal(sum.Sum(nil), stored), nil
	}, nil
}

func readRounds(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxRounds {
		return 0, fmt.Errorf("%w: %s rounds", ErrUnreadable, s)
	}
	return n, nil
}
