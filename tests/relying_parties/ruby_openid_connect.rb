# A service on the Ruby gem openid_connect, which shares no code with us, as its documentation shows it.
#
# Its one argument is a JSON file; it prints where to send the member, reads the address of the callback, does all that
# a service does, and prints what it saw as JSON.
require "json"
require "openid_connect"

given = JSON.parse(File.read(ARGV.fetch(0)))
SWD.url_builder = URI::HTTP # plain http on loopback

config = OpenIDConnect::Discovery::Provider::Config.discover!(given["issuer"])
client = OpenIDConnect::Client.new(
  identifier: given["client_id"],
  secret: given["client_secret"],
  private_key: given["private_key"] && OpenSSL::PKey.read(given["private_key"]),
  redirect_uri: given["redirect_uri"],
  authorization_endpoint: config.authorization_endpoint,
  token_endpoint: config.token_endpoint,
  userinfo_endpoint: config.userinfo_endpoint,
  revocation_endpoint: config.raw["revocation_endpoint"]
)
proof = given["private_key"] ? :jwt_bearer : :basic

verifier, state, nonce = Array.new(3) { SecureRandom.urlsafe_base64(40) }
puts client.authorization_uri(
  scope: %w[openid profile dossier offline_access],
  state: state,
  nonce: nonce,
  code_challenge: Base64.urlsafe_encode64(OpenSSL::Digest::SHA256.digest(verifier), padding: false),
  code_challenge_method: "S256"
)
$stdout.flush

callback = URI.decode_www_form(URI.parse($stdin.gets.strip).query).to_h
raise "state" unless callback["state"] == state

client.authorization_code = callback["code"]
tokens = client.access_token!(proof, code_verifier: verifier)
id_token = OpenIDConnect::ResponseObject::IdToken.decode(tokens.id_token, config.jwks)
id_token.verify!(issuer: given["issuer"], client_id: given["client_id"], nonce: nonce)
userinfo = tokens.userinfo!

client.refresh_token = tokens.refresh_token
refreshed = client.access_token!(proof)
again = refreshed.userinfo!

client.revoke!(proof, access_token: refreshed.access_token)
ended = begin
  refreshed.userinfo!
rescue OpenIDConnect::Unauthorized
  true
end

puts JSON.generate(
  sub: id_token.sub,
  userinfo: userinfo.raw_attributes,
  refreshed: again.raw_attributes,
  rotated: refreshed.refresh_token != tokens.refresh_token,
  ended: ended == true
)
