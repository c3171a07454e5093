package portal

import (
	"net/http"
)

// recoverPage is where the link leads that root prints for somebody whom nobody
// else can help: the page for a pass, filled in. Only the button uses the pass
// up, so that whatever looks at links beforehand does no harm.
func (c *call) recoverPage() {
	c.showPass(http.StatusOK, signInPage{Next: "/security", Address: typed(c.r.PathValue("address"), maxAddress), Pass: typed(c.r.PathValue("pass"), maxPassword)})
}
