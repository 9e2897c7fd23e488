"""Steps as scripts write them, compiled without a change."""
