// An application without a server of its own, on npm oidc-client-ts: docs/integrate.md walks through it.
//
// Beside it lie dist/browser/oidc-client-ts.min.js of the package, and settings.json with the provider and the
// client_id. Its server sends a Content-Security-Policy whose connect-src names itself and the provider, no other:
// tokens that a foreign script could read are tokens lost.
const settings = await (await fetch("settings.json")).json();
const here = `${location.origin}/`;

const fund = new oidc.UserManager({
  ...settings,
  redirect_uri: here,
  post_logout_redirect_uri: here,
  scope: "openid profile dossier offline_access",
  loadUserInfo: true, // numero_dossier, name …, beside what the ID token says
  revokeTokensOnSignout: true, // a refresh token outlives the session
});

const seen = { signed_in: false };

function show(user, more = {}) {
  Object.assign(seen, { signed_in: Boolean(user), profile: user?.profile, expires_at: user?.expires_at }, more);
  document.getElementById("session").textContent = JSON.stringify(seen, null, 2);
}

// Back from the provider: oidc-client-ts checks state and redeems the code with its PKCE verifier.
async function comeBack() {
  try {
    show(await fund.signinCallback());
  } catch (refused) {
    // access_denied: the member turned back. login_required: the answer to prompt=none.
    show(null, { error: refused.error ?? String(refused) });
  }
  history.replaceState(null, "", here); // the code is used up; nobody needs it in the history
}

// New tokens by the refresh token, before the access token ends or when a call was answered 401. Without a refresh
// token the library would try a hidden frame, which browsers that block third-party cookies have made useless.
async function refresh() {
  try {
    show(await fund.signinSilent());
  } catch (refused) {
    // invalid_grant: what was refreshed has ended, by a new password for one; the member signs in again.
    await fund.removeUser();
    show(null, { error: refused.error ?? String(refused) });
  }
}

document.getElementById("sign-in").onclick = () => fund.signinRedirect();
document.getElementById("sso").onclick = () => fund.signinRedirect({ prompt: "none" });
document.getElementById("refresh").onclick = refresh;
document.getElementById("sign-out").onclick = () => fund.signoutRedirect();

if (new URLSearchParams(location.search).has("state")) await comeBack();
else show(await fund.getUser());
