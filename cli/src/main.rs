mod server;

fn main() {}
