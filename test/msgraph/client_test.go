package msgraph

import (
	"context"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	azure "github.com/microsoft/kiota-authentication-azure-go"
	kiota "github.com/microsoft/kiota-http-go"
	"github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoft/kiota-serialization-text-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/identity"
)

// client is what msgraph-sdk-go's NewGraphServiceClientWithCredentials makes,
// with those of its builders that we have resources for. (The root package
// imports all of Graph, which takes many times as long to build.)
type client struct {
	adapter   *core.GraphRequestAdapterBase
	identity  *identity.IdentityRequestBuilder
	auditLogs *auditlogs.AuditLogsRequestBuilder
}

// credential is Microsoft's own for a script: a client's id and secret, with
// another authority.
func (d *door) credential(name, secret string) azcore.TokenCredential {
	d.t.Helper()
	o := &azidentity.ClientSecretCredentialOptions{DisableInstanceDiscovery: true}
	o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: d.url()}
	o.Transport = &http.Client{Transport: d.transport()}
	o.Retry = policy.RetryOptions{MaxRetries: -1}
	c, err := azidentity.NewClientSecretCredential("example.org", name, secret, o)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// client signs in as a token of the role.
func (d *door) client(name, role string) *client {
	d.t.Helper()
	secret := d.command("admin", "token", "new", name, "--role", role, "--expires", "1d", "--quiet")
	auth, err := azure.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(d.credential(name, secret), []string{"https://graph.microsoft.com/.default"}, []string{host, d.address})
	if err != nil {
		d.t.Fatal(err)
	}
	o := core.GraphClientOptions{GraphServiceLibraryVersion: "1.89.0"}
	c := &http.Client{Transport: kiota.NewCustomTransportWithParentTransport(d.transport(), core.GetDefaultMiddlewaresWithOptions(&o)...), Timeout: patience}
	abstractions.RegisterDefaultSerializer(func() serialization.SerializationWriterFactory {
		return jsonserialization.NewJsonSerializationWriterFactory()
	})
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return jsonserialization.NewJsonParseNodeFactory() })
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return textserialization.NewTextParseNodeFactory() })
	a, err := core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, o, nil, nil, c)
	if err != nil {
		d.t.Fatal(err)
	}
	a.SetBaseUrl(d.url() + "/v1.0")
	at := map[string]string{"baseurl": a.GetBaseUrl()}
	return &client{a, identity.NewIdentityRequestBuilderInternal(at, a), auditlogs.NewAuditLogsRequestBuilderInternal(at, a)}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
