"""Walking forward day by day over staged rows: any number of rows, bounded memory, several processes."""
