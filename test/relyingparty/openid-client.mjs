// A relying party on panva's openid-client. What a person does in a browser is
// done by whoever started it: a line on standard output says where to go, a line
// on standard input says where that led. Each thing that was done is told by a
// line of its own.
import { createInterface } from "node:readline";

globalThis.crypto ??= (await import("node:crypto")).webcrypto;
const openid = await import(process.env.LIBRARY);
const given = JSON.parse(process.env.GIVEN);
const issuer = new URL(given.issuer);
const redirect_uri = "http://127.0.0.1:4711/callback";
const scope = "openid email profile offline_access mail";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (what, value) => console.log(JSON.stringify({ what, ...value }));
const ask = async (what, value) => {
  tell(what, value);
  return JSON.parse((await lines.next()).value);
};
const expect = (what, so) => {
  if (!so) throw new Error(what);
};
const refused = async (what, code, doing) => {
  const error = await doing.then(() => null, e => e);
  expect(`${what}: ${error?.error ?? error}`, error?.error === code);
};

// Registration, as any program may register itself.
const program = await openid.dynamicClientRegistration(issuer, {
  client_name: "openid-client",
  redirect_uris: ["http://127.0.0.1/callback"],
  post_logout_redirect_uris: ["http://127.0.0.1/bye"],
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
}, openid.None());
const server = program.serverMetadata();
expect("supportsPKCE", server.supportsPKCE());
expect("authorization_response_iss_parameter_supported", server.authorization_response_iss_parameter_supported === true);
tell("registered", { client: program.clientMetadata().client_id });

// code runs the code flow, with PKCE, state and nonce.
const code = async (config, more, answered) => {
  const checks = { pkceCodeVerifier: openid.randomPKCECodeVerifier(), expectedState: openid.randomState(), expectedNonce: openid.randomNonce(), idTokenExpected: true };
  const to = openid.buildAuthorizationUrl(config, {
    redirect_uri, scope, state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await openid.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: "S256", ...more,
  });
  const back = await ask("open", { url: to.href });
  return openid.authorizationCodeGrant(config, answered(back), checks);
};
const byQuery = back => new URL(back.url);
const byForm = back => {
  expect(`the form goes to ${back.url}`, back.url === redirect_uri && back.form);
  return new Request(back.url, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: back.form });
};

const first = await code(program, {}, byQuery);
const claims = first.claims();
expect(`claims ${JSON.stringify(claims)}`, claims.email === given.person && claims.email_verified === true && claims.amr.length > 0 && claims.auth_time > 0);
expect(`scope ${first.scope}`, first.scope === scope && first.token_type === "bearer");
const person = await openid.fetchUserInfo(program, first.access_token, claims.sub);
expect(`userinfo ${JSON.stringify(person)}`, person.email === given.person);
tell("code", { token: first.access_token, refresh: first.refresh_token });

// The answer in a form, and not in a query.
const posted = await code(program, { response_mode: "form_post" }, byForm);
expect("the same person", posted.claims().sub === claims.sub);
tell("form_post", { token: posted.access_token });

// Refreshing rotates; the one before it is forgiven for half a minute, and gives the same.
const second = await openid.refreshTokenGrant(program, first.refresh_token);
expect("rotated", second.refresh_token && second.refresh_token !== first.refresh_token && second.scope === scope);
expect("the same person", second.claims().sub === claims.sub);
const again = await openid.refreshTokenGrant(program, first.refresh_token);
expect("the same successor", again.refresh_token === second.refresh_token);
const narrow = await openid.refreshTokenGrant(program, second.refresh_token, { scope: "openid imap" });
expect(`narrowed to ${narrow.scope}`, narrow.scope === "openid imap");
await refused("more than was granted", "invalid_scope", openid.refreshTokenGrant(program, narrow.refresh_token, { scope: scope + " contacts" }));
tell("refreshed", { token: second.access_token });

// Introspection, by a program with a secret, which it shows in either way.
for (const authentication of [openid.ClientSecretBasic, openid.ClientSecretPost]) {
  const confidential = await openid.discovery(issuer, given.confidential.id, given.confidential.secret, authentication(given.confidential.secret));
  const said = await openid.tokenIntrospection(confidential, second.access_token);
  expect(`another program's token, introspected: ${JSON.stringify(said)}`, said.active === false && said.sub === undefined);
  expect("inactive", (await openid.tokenIntrospection(confidential, "nonsense")).active === false);
}
tell("introspected", {});

// A service of an organisation's own signs in as its account.
const service = await openid.discovery(issuer, given.service.id, given.service.secret);
const own = await openid.clientCredentialsGrant(service, { scope: "imap", resource: given.issuer });
expect("a service has no refresh token", own.access_token && !own.refresh_token);
const worth = await openid.tokenIntrospection(service, own.access_token);
expect(`its own, introspected: ${JSON.stringify(worth)}`, worth.active === true && worth.client_id === given.service.id);
tell("credentials", { token: own.access_token });
const wrong = await openid.discovery(issuer, given.service.id, "wrong");
const challenged = await openid.clientCredentialsGrant(wrong, {}).then(() => null, e => e);
expect(`a wrong secret: ${challenged}`, challenged?.status === 401);

// A program without a browser shows a code.
const device = await openid.initiateDeviceAuthorization(program, { scope });
await ask("device", { complete: device.verification_uri_complete });
const typed = await openid.pollDeviceAuthorizationGrant(program, device, undefined, { signal: AbortSignal.timeout(60_000) });
expect("the same person", typed.claims().sub === claims.sub);
tell("device_code", { token: typed.access_token });

// Revoking ends the grant.
await openid.tokenRevocation(program, typed.refresh_token);
await refused("a revoked grant", "invalid_grant", openid.refreshTokenGrant(program, typed.refresh_token));
tell("revoked", {});

// Signing out leads back here.
const bye = openid.buildEndSessionUrl(program, { id_token_hint: posted.id_token, post_logout_redirect_uri: "http://127.0.0.1:4711/bye", state: "so long" });
const left = await ask("leave", { url: bye.href });
expect(`left to ${left.url}`, left.url === "http://127.0.0.1:4711/bye?state=so+long");
tell("left", {});
process.exit(0);
