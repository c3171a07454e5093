package secret

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt"
	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/sha1crypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// What an imported hash may cost at most, so that one row of an import cannot
// hold a worker for seconds or take the machine's memory.
const (
	maxRounds     = 5_000_000  // PBKDF2, SHA-crypt; Dovecot's default is 5,000, OWASP's 1,300,000
	maxBcryptCost = 15         // 2^15 rounds, about 2 s here
	maxMemory     = 128 * 1024 // KiB, argon2 and scrypt; times workers is the pool's memory bound
	maxPasses     = 10         // argon2
	maxScryptN    = 16         // log2; with r = 8 it is 64 MiB
	maxScryptR    = 16
	bcryptLength  = 72 // bytes that bcrypt looks at; crypt(3) drops the rest, and so the hash was made
)

var decoders = []func(algorithm.DecoderRegister) error{
	argon2.RegisterDecoder, bcrypt.RegisterDecoder, pbkdf2.RegisterDecoder, scrypt.RegisterDecoder,
	shacrypt.RegisterDecoder, sha1crypt.RegisterDecoder, md5crypt.RegisterDecoder,
}

// decodeCrypt reads crypt(3)'s modular form, $id$….
func decodeCrypt(stored string) (verifier, error) {
	if err := checkCost(stored); err != nil {
		return nil, err
	}
	d := crypt.NewDecoder()
	for _, register := range decoders {
		if err := register(d); err != nil {
			return nil, fmt.Errorf("readying password schemes: %w", err)
		}
	}
	digest, err := d.Decode(stored)
	if err != nil {
		return nil, fmt.Errorf("%w: %s…", ErrUnreadable, identifier(stored))
	}
	cut := strings.HasPrefix(identifier(stored), "2")
	return func(password []byte) (bool, error) {
		if cut && len(password) > bcryptLength {
			password = password[:bcryptLength]
		}
		ok, err := digest.MatchBytesAdvanced(password)
		if err != nil {
			return false, fmt.Errorf("%w: %s", ErrUnreadable, identifier(stored))
		}
		return ok, nil
	}, nil
}

// identifier is the scheme of $id$…, which is no secret.
func identifier(stored string) string {
	parts := strings.SplitN(stored, "$", 3)
	if len(parts) != 3 || parts[0] != "" || len(parts[1]) > 32 {
		return "?"
	}
	return parts[1]
}

// checkCost refuses parameters beyond our limits before anything is computed.
func checkCost(stored string) error {
	parts := strings.Split(stored, "$")
	if len(parts) < 4 || parts[0] != "" {
		return fmt.Errorf("%w: not $id$…", ErrUnreadable)
	}
	id := parts[1]
	if strings.HasPrefix(id, "2") {
		return within(parts[2], maxBcryptCost)
	}
	if strings.HasPrefix(id, "pbkdf2") || id == "sha1" {
		return within(parts[2], maxRounds)
	}
	if id == "y" && !yescryptLimits[parts[2]] {
		return fmt.Errorf("%w: yescrypt %s", ErrUnreadable, parts[2])
	}
	for _, part := range parts[1 : len(parts)-1] {
		for pair := range strings.SplitSeq(part, ",") {
			if err := checkParameter(id, pair); err != nil {
				return err
			}
		}
	}
	return nil
}

// yescryptLimits are the settings that libxcrypt makes up to its cost 7
// (j9T is the default, cost 5); each step doubles memory, from 1 to 64 MiB.
var yescryptLimits = map[string]bool{"j75": true, "j85": true, "j7T": true, "j8T": true, "j9T": true, "jAT": true, "jBT": true}

func checkParameter(id, pair string) error {
	key, value, found := strings.Cut(pair, "=")
	if !found {
		return nil
	}
	limits := map[string]int{"rounds": maxRounds}
	switch {
	case strings.HasPrefix(id, "argon2"):
		limits = map[string]int{"m": maxMemory, "t": maxPasses, "p": 16, "v": 255}
	case id == "scrypt":
		limits = map[string]int{"ln": maxScryptN, "r": maxScryptR, "p": 4}
	case id == "bcrypt-sha256":
		limits = map[string]int{"r": maxBcryptCost}
	}
	if most, ok := limits[key]; ok {
		return within(value, most)
	}
	return nil
}

func within(s string, most int) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return fmt.Errorf("%w: a cost of %q, at most %d is verified", ErrUnreadable, s, most)
	}
	return nil
}
