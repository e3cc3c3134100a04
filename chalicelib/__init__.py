"""The patient consent portal: pure core, stores and senders, pages, routes."""
