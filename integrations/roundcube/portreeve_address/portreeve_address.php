<?php
// Passes the browser's address on, before the password is sent.
class portreeve_address extends rcube_plugin
{
    public function init()
    {
        $this->add_hook('storage_connect', function ($args) {
            $args['preauth_ident']['name'] = 'Roundcube';
            $args['preauth_ident']['x-originating-ip'] = rcube_utils::remote_addr();
            return $args;
        });
    }
}
