package sasl

import (
	"fmt"
	"strconv"
)

// Identity is whom a client signs in as.
type Identity struct {
	// Authcid proves itself; Authzid, if given, is whom it acts for (PLAIN only:
	// a master user acting for a person).
	Authcid, Authzid string
	// Host and Port are where the client believes to be (OAUTHBEARER only); optional.
	Host string
	Port uint16
}

// Response builds the client's whole answer for the mechanisms that need only
// one: PLAIN, XOAUTH2, OAUTHBEARER, EXTERNAL. Names and secrets are held to
// the same rules as at the door, so that none can break out of its place.
func Response(mechanism string, id Identity, secret []byte) ([]byte, error) {
	switch mechanism {
	case Plain:
		return plainResponse(id, secret)
	case XOAUTH2, OAuthBearer:
		return bearerResponse(mechanism, id, secret)
	case External:
		if id.Authzid == "" {
			return []byte{}, nil
		}
		return []byte(id.Authzid), checkName([]byte(id.Authzid))
	}
	return nil, fmt.Errorf("%w: %q has no single response", ErrUnknownMechanism, mechanism)
}

func plainResponse(id Identity, secret []byte) ([]byte, error) {
	if err := checkName([]byte(id.Authcid)); err != nil {
		return nil, err
	}
	if id.Authzid != "" {
		if err := checkName([]byte(id.Authzid)); err != nil {
			return nil, err
		}
	}
	if err := checkPassword(secret); err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(id.Authzid)+len(id.Authcid)+len(secret)+2) // grown once, so that no copy of the secret is left behind
	b = append(append(b, id.Authzid...), 0)
	b = append(append(b, id.Authcid...), 0)
	return append(b, secret...), nil
}

func bearerResponse(mechanism string, id Identity, token []byte) ([]byte, error) {
	if err := checkName([]byte(id.Authcid)); err != nil {
		return nil, err
	}
	if err := checkToken(token); err != nil {
		return nil, err
	}
	head := "user=" + id.Authcid + kvsep
	if mechanism == OAuthBearer {
		head = "n,a=" + escapeSASLName(id.Authcid) + "," + kvsep
		if id.Host != "" {
			if err := checkName([]byte(id.Host)); err != nil {
				return nil, err
			}
			head += "host=" + id.Host + kvsep
		}
		if id.Port != 0 {
			head += "port=" + strconv.Itoa(int(id.Port)) + kvsep
		}
	}
	head += "auth=Bearer "
	b := make([]byte, 0, len(head)+len(token)+2*len(kvsep))
	b = append(append(b, head...), token...)
	return append(b, kvsep+kvsep...), nil
}

// LoginResponses are LOGIN's two answers, to "Username:" and "Password:".
func LoginResponses(authcid string, secret []byte) (name, password []byte, err error) {
	if err := checkName([]byte(authcid)); err != nil {
		return nil, nil, err
	}
	if err := checkPassword(secret); err != nil {
		return nil, nil, err
	}
	return []byte(authcid), secret, nil
}
