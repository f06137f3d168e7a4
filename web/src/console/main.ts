import { createApp } from 'vue'
import App from './App.vue'
import './styles/base.css'
import './styles/list.css'
import './styles/detail.css'
import './styles/sync.css'
import './styles/evidence.css'
import './styles/loop.css'
import './styles/workbench.css'
import './styles/assessment.css'

createApp(App).mount('#app')
