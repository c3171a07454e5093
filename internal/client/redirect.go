package client

// Redirect says whether the client may have answers sent to an address, and
// gives the address to send them to.
func (c *Client) Redirect(asked string) (exact string, ok bool) { return "", false }

// LogoutRedirect says whether the client may have people sent to an address
// after they signed out of it.
func (c *Client) LogoutRedirect(asked string) bool { return false }
