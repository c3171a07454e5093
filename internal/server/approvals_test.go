package server

import (
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/store"
)

// The manual's defaults are the service's own, and what a site says reaches it.
func TestApprovalSettingsReachTheService(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	own, err := approval.New(t.Context(), approval.Options{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	if got := windows(config.Default().Approval); got != own.Settings {
		t.Errorf("the manual says %+v, the service %+v", got, own.Settings)
	}
	c, err := config.Parse("portreeve.yaml", t.TempDir(), []byte("approval: {days: 7, idle_days: 8, waiting: 2h, deny_days: 9, place: owner}\n"), []string{"PORTREEVE_APPROVAL_DAYS=14"})
	if err != nil {
		t.Fatal(err)
	}
	site, err := approval.New(t.Context(), approval.Options{Store: db, Settings: windows(c.Approval)})
	if err != nil {
		t.Fatal(err)
	}
	if want := (approval.Settings{Days: 14, IdleDays: 8, Waiting: 2 * time.Hour, DenyDays: 9, Place: approval.PlaceOwner}); site.Settings != want {
		t.Errorf("%+v, want %+v", site.Settings, want)
	}
}
