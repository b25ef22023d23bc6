# Serves Rack apps, each on a port of its own: serve.rb ID=FILE ...
require "rack"
require "rack/handler/webrick"

servers = ARGV.map do |argument|
  name, path = argument.split("=", 2)
  app, = Rack::Builder.parse_file(path)
  server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, AccessLog: [],
                                   Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN))
  server.mount "/", Rack::Handler::WEBrick, app
  puts "ready #{name} http://127.0.0.1:#{server.listeners[0].addr[1]} "
  server
end
$stdout.flush
servers.map { |server| Thread.new { server.start } }.each(&:join)
